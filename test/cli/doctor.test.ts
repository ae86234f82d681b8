import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { withDatabase } from '../support/postgres.ts';
import { startProgram } from '../support/process.ts';
import { redisInstalled, startRedis } from '../support/redis.ts';

interface Finding {
  check: string;
  status: 'good' | 'note' | 'problem';
  detail: string;
  remedy: string | null;
}

const examine = async (env: Record<string, string>) => {
  const program = startProgram('apps/cli/dist/main.js', { arguments: ['doctor', '--json'], env });
  const code = await program.ended;
  const { findings } = JSON.parse(program.output()) as { findings: Finding[] };
  const find = (check: string) => findings.find((finding) => finding.check === check);
  return { code, findings, find };
};

const emptyFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'unfold-doctor-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

describe('unfold doctor', () => {
  it('finds a machine in order, with servers that answer, and changes nothing', async () => {
    const database = await withDatabase();
    onTestFinished(() => database.drop());
    const redis = redisInstalled ? await startRedis() : null;
    onTestFinished(async () => redis?.remove());
    const { code, find, findings } = await examine({
      PORT: '0',
      UNFOLD_DATA_DIR: join(await emptyFolder(), 'not', 'there', 'yet'),
      DATABASE_URL: database.databaseUrl,
      ...(redis ? { REDIS_URL: redis.url } : {}),
    });
    expect(code).toBe(0);
    expect(findings.filter(({ status }) => status === 'problem')).toEqual([]);
    expect(find('Engine reference')).toMatchObject({ status: 'good' });
    expect(find('PostgreSQL')?.detail).toMatch(/^1\d\.\d.* at DATABASE_URL$/);
    expect(find('Queue')).toMatchObject({ detail: redis ? 'Redis at REDIS_URL' : 'in PostgreSQL' });
  });

  it('says what cannot work and what to do, and ends with 1', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file'), '');
    const { code, find } = await examine({
      PORT: String(port),
      UNFOLD_DATA_DIR: join(folder, 'file', 'below'),
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
      REDIS_URL: 'redis://127.0.0.1:1',
      UNFOLD_ENGINE: 'native',
      UNFOLD_TEST_NATIVE_ADDON: join(folder, 'none.node'),
    });
    expect(code).toBe(1);
    expect(find('Engine native')).toMatchObject({
      status: 'problem',
      remedy: expect.stringContaining('npm rebuild'),
    });
    expect(find('Data folder')).toMatchObject({
      status: 'problem',
      remedy: expect.stringContaining('UNFOLD_DATA_DIR'),
    });
    expect(find('PostgreSQL')).toMatchObject({
      status: 'problem',
      remedy: expect.stringContaining('DATABASE_URL'),
    });
    expect(find('Queue')).toMatchObject({
      status: 'problem',
      remedy: expect.stringContaining('REDIS_URL'),
    });
    expect(find('Service')).toMatchObject({ status: 'problem' });
    const busy = await examine({ PORT: String(port), UNFOLD_DATA_DIR: folder });
    expect(busy.find('Service')).toMatchObject({
      status: 'problem',
      remedy: expect.stringContaining('PORT'),
    });
  });

  it('takes a missing engine that nobody asked for as a note, and lists what is wrong with the environment', async () => {
    const without = await examine({
      PORT: '0',
      UNFOLD_DATA_DIR: await emptyFolder(),
      UNFOLD_TEST_NATIVE_ADDON: '/none.node',
    });
    expect(without.find('Engine native')).toMatchObject({ status: 'note' });
    expect(without.code).toBe(0);
    const wrong = await examine({ UNFOLD_THREADS: 'x', UNFOLD_ENGIN: 'native' });
    expect(wrong.code).toBe(1);
    expect(wrong.find('Configuration')?.detail).toMatch(/UNFOLD_ENGIN: .*\n.*UNFOLD_THREADS/s);
  });
});
