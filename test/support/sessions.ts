import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

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
