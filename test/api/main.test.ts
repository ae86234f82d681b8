import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';
import { freePort, startProgram, waitFor } from '../support/process.ts';
import { openSocket } from './socket-client.ts';

let database: TestDatabase;
let dataDir: string;

beforeAll(async () => {
  database = await withDatabase({ migrated: false });
  dataDir = await mkdtemp(join(tmpdir(), 'unfold-main-'));
});
afterAll(async () => {
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

const start = (env: Record<string, string>) =>
  startProgram('apps/api/dist/main.js', {
    env: { UNFOLD_DATA_DIR: dataDir, DATABASE_URL: database.databaseUrl, ...env },
  });

it('migrates, serves, and on SIGTERM closes sockets with 1001 and ends with 0', async () => {
  const port = await freePort();
  const program = start({ PORT: String(port) });
  const url = `http://127.0.0.1:${port}`;
  await waitFor(
    'the API to be ready',
    async () => (await fetch(`${url}/ready`).catch(() => null))?.ok ?? false,
  );
  const socket = await openSocket(url, '/v1/stream');
  await socket.until('the snapshot', () => socket.messages.length === 1);
  const events = fetch(`${url}/v1/jobs/job-${'0'.repeat(32)}?wait=60`);
  expect((await events).status).toBe(404);
  await program.stop();
  expect((await socket.closed).code).toBe(1001);
  expect(await program.ended).toBe(0);
});

it('says in one line why it cannot start', async () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ PORT: 'x' }, /PORT: expected an integer/],
    [{ HOST: '0.0.0.0' }, /UNFOLD_ADMIN_KEY/],
    [{ DATABASE_URL: '' }, /DATABASE_URL is not set/],
  ];
  for (const [env, expected] of cases) {
    const program = start({ PORT: '0', ...env });
    expect(await program.ended).toBe(1);
    expect(program.output()).toMatch(expected);
  }
});
