import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompletionResource, SessionResource } from '@unfold/contracts';
import { openStore } from '@unfold/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publish, trainModel } from '../api/trained-model.ts';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';
import { freePort, type Program, startProgram, waitFor } from '../support/process.ts';

interface ApiProcess {
  url: string;
  program: Program;
}

describe('a session whose API process', () => {
  let database: TestDatabase;
  let dataDir: string;
  const started: ApiProcess[] = [];

  const startApi = async (): Promise<ApiProcess> => {
    const port = String(await freePort());
    const env = {
      PORT: port,
      DATABASE_URL: database.databaseUrl,
      UNFOLD_DATA_DIR: dataDir,
      UNFOLD_ENGINE: 'reference',
    };
    const api = { url: `http://127.0.0.1:${port}`, program: startProgram('apps/api/dist/main.js', { env }) };
    started.push(api);
    await waitFor(
      'the API to be ready',
      async () => (await fetch(`${api.url}/ready`).catch(() => null))?.ok,
      60_000,
    );
    return api;
  };
  const post = (api: ApiProcess, path: string, body: object) =>
    fetch(`${api.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'cats', ...body }),
    });
  const write = async (api: ApiProcess, body: object): Promise<string> => {
    const answer = await post(api, '/v1/completions', { temperature: 0, ...body });
    expect(answer.status).toBe(200);
    return ((await answer.json()) as CompletionResource).choices[0]!.text;
  };
  const open = async (api: ApiProcess): Promise<string> =>
    ((await (await post(api, '/v1/sessions', {})).json()) as SessionResource).id;
  const tokensOf = async (api: ApiProcess, id: string): Promise<number> =>
    ((await (await fetch(`${api.url}/v1/sessions/${id}`)).json()) as SessionResource).tokens;

  beforeAll(async () => {
    database = await withDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'unfold-killed-api-'));
    const store = await openStore({
      databaseUrl: database.databaseUrl,
      artifactsDir: join(dataDir, 'artifacts'),
      migrate: false,
    });
    await publish({ store } as never, await trainModel(), 'cats');
    await store.close();
  }, 120_000);
  afterAll(async () => {
    for (const { program } of started) await program.stop();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  it('is killed in the middle stands where it was last left, once the lease has run out', async () => {
    const [victim, other] = await Promise.all([startApi(), startApi()]);
    const session = await open(victim);
    const first = await write(victim, { session, prompt: 'the cat', max_tokens: 10 });
    const stream = await post(victim, '/v1/completions', { session, max_tokens: 100_000, stream: true });
    await stream.body!.getReader().read();
    victim.program.kill('SIGKILL');
    await victim.program.ended;
    expect(await tokensOf(other, session)).toBe(17);
    const refused = await post(other, '/v1/completions', { session });
    expect(refused.status).toBe(409);
    const [lease] = await database.query<{ seconds: number }>(
      'SELECT extract(epoch FROM lease_expires_at - now())::float8 AS seconds FROM sessions WHERE id = $1',
      [session],
    );
    expect(lease!.seconds).toBeLessThanOrEqual(15);
    // What would be so by itself in a while.
    await database.query('UPDATE sessions SET lease_expires_at = now() WHERE id = $1', [session]);
    const rest = await write(other, { session, max_tokens: 30 });
    expect(first + rest).toBe(await write(other, { prompt: 'the cat', max_tokens: 40 }));
  });

  it('is stopped in the middle keeps what was streamed, and goes on in the next process at once', async () => {
    const stopped = started.at(-1)!;
    const session = await open(stopped);
    const stream = await post(stopped, '/v1/completions', {
      session,
      prompt: 'the cat',
      max_tokens: 100_000,
      temperature: 0,
      stream: true,
    });
    const reader = stream.body!.getReader();
    await reader.read();
    await reader.read();
    const stopping = stopped.program.stop();
    while (!(await reader.read()).done);
    expect(await stopping).toBe(0);
    const next = await startApi();
    const tokens = await tokensOf(next, session);
    expect(tokens).toBeGreaterThan(7);
    const rest = await write(next, { session, max_tokens: 20 });
    const whole = await write(next, { prompt: 'the cat', max_tokens: tokens - 7 + 20 });
    expect(rest).toBe(whole.slice(tokens - 7));
  });
});
