import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@unfold/store';
import { afterEach, describe, expect, it } from 'vitest';
import { openWebgpu } from '../../packages/kernels/src/conformance/software-gpu.ts';
import { freePort, type Program, startProgram, waitFor } from '../support/process.ts';

interface UpRecord {
  pid: number;
  url: string | null;
  database_url: string | null;
  children: { name: string; pid: number }[];
}

const programs: Program[] = [];
const folders: string[] = [];

const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'unfold-cli-'));
  folders.push(folder);
  return folder;
};

const unfold = (parameters: string[], env: Record<string, string> = {}): Program => {
  const program = startProgram('apps/cli/dist/main.js', { arguments: parameters, env });
  programs.push(program);
  return program;
};

const up = (dataDir: string, ...more: string[]): Program =>
  unfold(['up', '--port', '0', '--data-dir', dataDir, ...more]);

const record = async (dataDir: string): Promise<UpRecord | null> => {
  const text = await readFile(join(dataDir, 'up.json'), 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as UpRecord);
};

const isReady = async (url: string): Promise<boolean> =>
  (await fetch(`${url}/ready`).catch(() => null))?.ok ?? false;

const serving = (program: Program): Promise<string> => {
  let code: number | null | undefined;
  void program.ended.then((ended) => (code = ended));
  return waitFor(
    'the service to be up',
    () => {
      if (code !== undefined) throw new Error(`It ended with ${code}:\n${program.output()}`);
      return /Unfold serves at (\S+)/.exec(program.output())?.[1];
    },
    90_000,
  );
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.stop(45_000)));
  for (const folder of folders.splice(0)) {
    // Only a test that kills `up` leaves a database running; stopping one that is down changes nothing.
    const hasDatabase = await stat(join(folder, 'postgres')).catch(() => null);
    if (hasDatabase) await (await startEmbeddedPostgres({ dataDir: folder })).stop();
    await rm(folder, { recursive: true, force: true });
  }
}, 120_000);

const gpu = await openWebgpu();
gpu?.close();
const { VK_DRIVER_FILES } = process.env;

describe('unfold up', { timeout: 180_000 }, () => {
  it.skipIf(!gpu)('starts a worker that owns the GPU where that is asked for', async () => {
    const parameters = ['up', '--port', '0', '--data-dir', await newFolder(), '--workers', '0', '--gpu'];
    const url = await serving(unfold(parameters, VK_DRIVER_FILES === undefined ? {} : { VK_DRIVER_FILES }));
    const { data } = (await (await fetch(`${url}/v1/devices`)).json()) as { data: object[] };
    expect(data).toMatchObject([{ device: 'gpu', workers: 1, engines: expect.arrayContaining(['webgpu']) }]);
  });

  it('serves with everything embedded, starts again what dies, and stops all of it in order', async () => {
    const dataDir = await newFolder();
    const first = up(dataDir, '--workers', '2');
    const url = await serving(first);
    expect(first.output()).toContain(`${url}/docs`);
    expect(await isReady(url)).toBe(true);

    const said = await waitFor('up.json to name all processes', async () => {
      const now = await record(dataDir);
      return now?.children.length === 3 && now;
    });
    expect(said).toMatchObject({ pid: first.pid, url });
    expect((await stat(join(dataDir, 'up.json'))).mode & 0o777).toBe(0o600);

    const second = up(dataDir);
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(`pid ${first.pid}`);
    expect(second.output()).toContain(url);

    for (const name of ['worker 1', 'API']) {
      const killed = said.children.find((child) => child.name === name)!.pid;
      process.kill(killed, 'SIGKILL');
      await waitFor(`the ${name} to be started again`, async () => {
        const pid = (await record(dataDir))?.children.find((child) => child.name === name)?.pid;
        return pid !== undefined && pid !== killed;
      });
      await waitFor('the service to answer again', () => isReady(url));
    }

    const last = (await record(dataDir))!;
    first.kill('SIGINT');
    expect(await first.ended, first.output()).toBe(0);
    expect(last.children.filter(({ pid }) => isAlive(pid))).toEqual([]);
    expect(await record(dataDir)).toBeNull();
    await expect(stat(join(dataDir, 'postgres', 'data', 'postmaster.pid'))).rejects.toThrow();
  });

  it('takes over from one that was killed, and starts the database again when it dies', async () => {
    const dataDir = await newFolder();
    const killed = up(dataDir);
    await serving(killed);
    const before = (await record(dataDir))!;
    killed.kill('SIGKILL');
    await killed.ended;

    const next = up(dataDir);
    const url = await serving(next);
    const after = (await record(dataDir))!;
    expect(after.pid).toBe(next.pid);
    await waitFor('what was left over to end', () => !before.children.some(({ pid }) => isAlive(pid)));

    const { pid } = await startEmbeddedPostgres({ dataDir });
    process.kill(pid, 'SIGKILL');
    await waitFor('the database to be back', async () =>
      next.output().includes('The database ended') ? isReady(url) : false,
    );
    expect(await next.stop(45_000)).toBe(0);
  });

  it('a busy port is an error that names PORT, and leaves nothing behind', async () => {
    const dataDir = await newFolder();
    const port = await freePort();
    const server = createServer().listen(port, '127.0.0.1');
    const program = unfold(['up', '--data-dir', dataDir], { PORT: String(port) });
    expect(await program.ended).toBe(1);
    expect(program.output()).toMatch(new RegExp(`Port ${port} on 127.0.0.1 is in use. Set PORT`));
    expect(await record(dataDir)).toBeNull();
    server.close();
  });

  it('a data folder that cannot be used is an error that names it, without a stack', async () => {
    const file = join(await newFolder(), 'file');
    await writeFile(file, '');
    const program = up(file);
    expect(await program.ended).toBe(1);
    expect(program.output()).toContain(`The data folder ${file} cannot be used`);
    expect(program.output()).not.toContain('    at ');
  });

  it('refuses an open address without keys before it makes anything', async () => {
    const dataDir = await newFolder();
    const program = up(dataDir, '--host', '0.0.0.0');
    expect(await program.ended).toBe(1);
    expect(program.output()).toContain('UNFOLD_ADMIN_KEY');
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('says nothing of serving once it was told to stop, and ends in order', async () => {
    const dataDir = await newFolder();
    const program = up(dataDir);
    await waitFor('the first process', async () => ((await record(dataDir))?.children.length ?? 0) > 0);
    program.kill('SIGTERM');
    expect(await program.ended, program.output()).toBe(0);
    expect(program.output()).toContain('Stopping');
    expect(program.output()).not.toContain('Unfold serves');
    expect(await record(dataDir)).toBeNull();
  });

  it.each([
    [['up', '--workers', 'many'], 2, 'integer from 0 to 64'],
    [['up', '--port', '80x'], 2, 'integer from 0 to 65535'],
    [['sideways'], 2, 'unknown command'],
    [['quickstart', '--steps', '5', '--epochs', '1'], 2, 'cannot be used with'],
  ])('%j is refused with %i and the reason', async (parameters, code, reason) => {
    const program = unfold(parameters);
    expect(await program.ended).toBe(code);
    expect(program.output()).toContain(reason);
  });

  it.each([[['--help']], [['up', '--help']], [['quickstart', '--help']]])(
    '%s %s shows examples',
    async (words) => {
      const program = unfold(words);
      expect(await program.ended).toBe(0);
      expect(program.output()).toContain('Examples:');
    },
  );
});
