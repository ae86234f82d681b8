import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './process.ts';

/** The shell sessions of a document by their names, as in "```sh session NAME"; one without a name is "". */
export const sessionsOf = (document: string): Map<string, string> =>
  new Map(
    [...document.matchAll(/```sh session ?(\w*)\n(.*?)```/gs)].map(([, name, script]) => [name!, script!]),
  );

/** Runs a session in a folder against a service; what it printed. Fails when any of its commands does. */
export const runSession = async (script: string, url: string, folder: string): Promise<string> => {
  const addressed = script.replace(/^BASE=.*$/m, `BASE=${url}`);
  const run = promisify(execFile);
  return (await run('bash', ['-euo', 'pipefail', '-c', addressed], { cwd: folder })).stdout;
};

/** The programs of a document by their names, as in "```ts session NAME": TypeScript that is JavaScript as it stands. */
export const programsOf = (document: string): Map<string, string> =>
  new Map(
    [...document.matchAll(/```ts session (\w+)\n(.*?)```/gs)].map(([, name, script]) => [name!, script!]),
  );

/** Runs such a program against a service, with the packages of this clone; what it printed. Fails when it does. */
export const runTypeScript = async (script: string, url: string): Promise<string> => {
  // Inside node_modules, from where its imports are found and nothing looks at what is left behind.
  const folder = await mkdtemp(join(root, 'node_modules', '.unfold-example-'));
  const path = join(folder, 'example.mjs');
  try {
    await writeFile(path, script.replaceAll('http://127.0.0.1:8080', url));
    return (await promisify(execFile)(process.execPath, [path])).stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
