import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@unfold/store';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startProgram } from '../support/process.ts';

const asRoot = process.getuid?.() === 0;

const ask = async (databaseUrl: string, sql: string): Promise<Record<string, unknown>> => {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query(sql)).rows[0];
  } finally {
    await client.end();
  }
};

describe('the embedded PostgreSQL', () => {
  let folder: string;
  const start = (log?: (message: string) => void) =>
    startEmbeddedPostgres({ dataDir: folder, ...(log ? { log } : {}) });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unfold-embedded-'));
    await chmod(folder, 0o755);
  });
  afterEach(async () => {
    const { place } = await readFile(join(folder, 'postgres', 'cluster.json'), 'utf8').then(JSON.parse);
    await (await start()).stop();
    await rm(folder, { recursive: true, force: true });
    for (const path of place ? [place, `${place}.previous`] : [])
      await rm(path, { recursive: true, force: true });
  });

  it('speaks UTF-8, keeps its password to itself and listens on loopback alone', async () => {
    const { databaseUrl } = await start();
    expect(
      await ask(
        databaseUrl,
        `SELECT current_setting('server_encoding') AS encoding, current_setting('listen_addresses') AS addresses,
           '"\\u00e9"'::jsonb #>> '{}' AS letter`,
      ),
    ).toEqual({ encoding: 'UTF8', addresses: '127.0.0.1', letter: '\u00e9' });
    const description = await stat(join(folder, 'postgres', 'cluster.json'));
    expect(description.mode & 0o777).toBe(0o600);
    const wrong = new URL(databaseUrl);
    wrong.password = 'wrong';
    await expect(ask(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('is one server for five processes that start it at once, and outlives them', async () => {
    const programs = Array.from({ length: 5 }, () =>
      startProgram('test/store/programs/start-postgres.mjs', { arguments: [folder] }),
    );
    expect(await Promise.all(programs.map((program) => program.ended))).toEqual([0, 0, 0, 0, 0]);
    const [first, ...others] = programs.map((program) => JSON.parse(program.output()));
    for (const other of others) expect(other).toEqual(first);
    expect(await start()).toMatchObject(first);
  });

  it('comes back with its data after it was killed, even beside a lock of a dead starter', async () => {
    const first = await start();
    await ask(first.databaseUrl, 'CREATE TABLE kept AS SELECT 7 AS value');
    process.kill(first.pid, 'SIGKILL');
    const dead = { pid: 2 ** 22 + 1, started: null, token: 'dead' };
    await writeFile(join(folder, 'postgres', 'start.lock'), JSON.stringify(dead));
    const second = await start();
    expect(second.pid).not.toBe(first.pid);
    expect(await ask(second.databaseUrl, 'SELECT value FROM kept')).toEqual({ value: 7 });
    expect(await readdir(join(folder, 'postgres'))).not.toContain('start.lock');
  });

  it('is not fooled by a stale pid file whose number another process has', async () => {
    const first = await start();
    const { data } = await ask(first.databaseUrl, 'SHOW data_directory').then((row) => ({
      data: String(row.data_directory),
    }));
    const lines = await readFile(join(data, 'postmaster.pid'), 'utf8');
    await first.stop();
    await writeFile(join(data, 'postmaster.pid'), lines.replace(/^\d+/, String(process.pid)));
    const second = await start();
    expect(second.pid).not.toBe(process.pid);
    expect(await ask(second.databaseUrl, 'SELECT 1 AS one')).toEqual({ one: 1 });
  });

  it('is fresh after the data folder was deleted, and keeps its data when the folder is renamed', async () => {
    const first = await start();
    await ask(first.databaseUrl, 'CREATE TABLE kept AS SELECT 7 AS value');
    await first.stop();
    await rename(folder, `${folder}-renamed`);
    folder = `${folder}-renamed`;
    const renamed = await start();
    expect(await ask(renamed.databaseUrl, 'SELECT value FROM kept')).toEqual({ value: 7 });
    await renamed.stop();
    await rm(folder, { recursive: true });
    await mkdir(folder);
    const fresh = await start();
    expect(await ask(fresh.databaseUrl, "SELECT to_regclass('kept') AS kept")).toEqual({ kept: null });
  });

  it.runIf(asRoot)('as root, lives elsewhere if its user cannot reach the folder, and says so', async () => {
    await chmod(folder, 0o700);
    const messages: string[] = [];
    const first = await start((message) => messages.push(message));
    expect(messages.join()).toContain('/var/lib/unfold-postgres');
    await ask(first.databaseUrl, 'CREATE TABLE kept AS SELECT 7 AS value');
    expect(await ask((await start()).databaseUrl, 'SELECT value FROM kept')).toEqual({ value: 7 });
    // Deleted without being stopped: the old server must not live on beside the new.
    await rm(folder, { recursive: true });
    await mkdir(folder, { mode: 0o700 });
    const fresh = await start();
    expect(await ask(fresh.databaseUrl, "SELECT to_regclass('kept') AS kept")).toEqual({ kept: null });
    expect(() => process.kill(first.pid, 0)).toThrow('ESRCH');
  });
});
