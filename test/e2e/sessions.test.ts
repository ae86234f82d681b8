import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompletionResource, SessionResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';
import { root, startProgram } from '../support/process.ts';
import { type Service, startDistributedService } from '../support/service.ts';
import { programsOf, runSession, runTypeScript, sessionsOf } from '../support/sessions.ts';

describe('apps/api/SESSIONS.md, with a worker at work', () => {
  let database: TestDatabase;
  let service: Service;
  let document: string;

  beforeAll(async () => {
    database = await withDatabase();
    service = await startDistributedService({
      databaseUrl: database.databaseUrl,
      redisUrl: null,
      workers: 1,
    });
    document = await readFile(join(root, 'apps/api/SESSIONS.md'), 'utf8');
  }, 120_000);
  afterAll(async () => {
    await service?.stop();
    await database?.drop();
  }, 60_000);

  it('says what curl does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'unfold-sessions-'));
    try {
      const output = await runSession(sessionsOf(document).get('conversation')!, service.url, folder);
      const answers = output.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
      const texts = answers
        .filter(({ object }) => object === 'text_completion')
        .map((answer: CompletionResource) => answer.choices[0]!.text);
      expect(texts.slice(0, 2)).toEqual([' sat on', ' mat']);
      expect(texts[2]).toHaveLength(20);
      expect(texts[4]).toBe(texts[3]);
      expect(texts).toHaveLength(6);
      const sessions: SessionResource[] = answers.filter(({ object }) => object === 'session');
      expect(sessions[0]).toMatchObject({ tokens: 22, metadata: { reader: 'one' } });
      expect(answers.at(-1).data).toMatchObject([
        { forked_from: null, metadata: {} },
        { forked_from: sessions[0]!.id, metadata: { reader: 'two' } },
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('says what TypeScript does', async () => {
    const printed = await runTypeScript(programsOf(document).get('conversation')!, service.url);
    expect(printed).toMatch(/^ sat on the \nmat/);
    expect(printed).toContain('\ntrue\n');
    expect(printed).toMatch(/^39 /m);
  });

  const unfold = async (...parameters: string[]): Promise<string> => {
    const program = startProgram('apps/cli/dist/main.js', {
      arguments: [...parameters, '--url', service.url],
    });
    expect(await program.ended, program.output()).toBe(0);
    return program.output();
  };

  it('says what the command line does', async () => {
    const id = (await unfold('sessions', 'create', 'cats')).trim();
    const options = ['--session', id, '--max-tokens', '7', '--temperature', '0'];
    expect(await unfold('generate', 'cats', 'the cat', ...options)).toBe(' sat on\n');
    const fork = (await unfold('sessions', 'fork', id)).trim();
    const listed = JSON.parse(await unfold('sessions', 'list', '--model', 'cats', '--json'));
    expect(listed.data.slice(0, 2)).toMatchObject([
      { id: fork, tokens: 14 },
      { id, tokens: 14 },
    ]);
    await unfold('sessions', 'delete', fork);
    expect((await fetch(`${service.url}/v1/sessions/${fork}`)).status).toBe(404);
  });
});
