import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/process.ts';
import { programsOf, runSession, runTypeScript, sessionsOf } from '../support/sessions.ts';
import { type Api, startApi } from './support.ts';
import { publish, trainModel } from './trained-model.ts';

const adminKey = 'a-key-for-what-the-document-says';

describe('apps/api/MANNERS.md', () => {
  let api: Api;
  let document: string;

  beforeAll(async () => {
    api = await startApi({ config: { adminKey } });
    await publish(api, await trainModel(), 'cats');
    document = await readFile(join(root, 'apps/api/MANNERS.md'), 'utf8');
  });
  afterAll(() => api.stop());

  it('says what curl does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'unfold-manners-'));
    try {
      const script = [...sessionsOf(document).values()].join('\n');
      const output = await runSession(`UNFOLD_ADMIN_KEY=${adminKey}\n${script}`, api.url, folder);
      const files = [...output.matchAll(/"id":"(file-\w+)"/g)].map(([, id]) => id);
      expect(files).toHaveLength(3);
      expect(new Set(files).size).toBe(1);
      expect(output.match(/^idempotent-replayed: true/gm)).toHaveLength(1);
      expect(output).toMatch(/"has_more":false/);
      expect(output).toMatch(/^etag: "/m);
      const whole = await api.request
        .head('/v1/models/cats/weights')
        .set('authorization', `Bearer ${adminKey}`);
      const { size } = await stat(join(folder, 'cats.safetensors'));
      expect(size).toBe(Number(whole.headers['content-length']));
      expect(output).toMatch(/"tokens_per_minute":20000/);
      expect(output).toMatch(/^x-request-id: mine-1/m);
      expect(output).toMatch(/"request_id":"mine-1"/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('says what TypeScript does', async () => {
    const program = [...programsOf(document).values()].join('\n');
    const printed = await runTypeScript(`process.env.UNFOLD_ADMIN_KEY = '${adminKey}';\n${program}`, api.url);
    expect(printed).toContain('one file: true\n');
    expect(printed).toContain('listed: cat.txt\nlisted: cats.txt\n');
    expect(printed).toContain('part: 206 100\n');
    expect(printed).toMatch(/requests left: \d+\n/);
  });
});
