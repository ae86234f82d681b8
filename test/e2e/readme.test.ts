import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobSpec } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/process.ts';
import { type Service, startService } from '../support/service.ts';
import { runSession, sessionsOf } from '../support/sessions.ts';

const readme = await readFile(join(root, 'README.md'), 'utf8');

describe("the README's curl session", () => {
  let service: Service;
  let folder: string;
  beforeAll(async () => {
    service = await startService();
    folder = await mkdtemp(join(tmpdir(), 'unfold-readme-'));
  }, 120_000);
  afterAll(async () => {
    await service?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it('runs as it is written', async () => {
    const stdout = await runSession(sessionsOf(readme).get('')!, service.url, folder);
    expect(stdout).toContain('"status":"succeeded"');
    expect(stdout).toContain('"series":{"loss":[');
    expect(stdout).toMatch(/"text":"[^"]* sat on the mat/);
    expect(stdout).toContain('data: [DONE]');
    const weights = await readFile(join(folder, 'cats.safetensors'), 'latin1');
    expect(weights).toContain('rnn.weight_hh_l0');
  }, 120_000);
});

describe("the README's job spec", () => {
  const leaves = (value: unknown, path: string): string[] =>
    value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0
      ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === '' ? key : `${path}.${key}`))
      : [path];

  it('names every field', () => {
    const spec = jobSpec.parse({ file: `file-${'0'.repeat(32)}` });
    const rows = readme.split('\n').filter((line) => line.startsWith('| `'));
    const documented = rows.flatMap((row) =>
      [...(row.split('|')[1] as string).matchAll(/`([^`]+)`/g)].map((match) => match[1] as string),
    );
    const missing = leaves(spec, '').filter(
      (leaf) => !documented.some((name) => leaf === name || leaf.startsWith(`${name}.`)),
    );
    expect(missing).toEqual([]);
    expect(
      documented.filter(
        (name) => !leaves(spec, '').some((leaf) => leaf === name || leaf.startsWith(`${name}.`)),
      ),
    ).toEqual([]);
  });
});
