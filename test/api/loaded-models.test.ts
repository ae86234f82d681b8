import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createReference } from '@unfold/kernels';
import type { LanguageModel } from '@unfold/rnn';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLoadedModels } from '../../apps/api/dist/inference/loaded-models.js';
import type { ModelSource } from '../../apps/api/dist/inference/protocol.js';
import { sampleText } from './support.ts';
import { trainWeights } from './trained-model.ts';

let folder: string;
let sources: ModelSource[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unfold-models-'));
  const texts = [sampleText, sampleText.slice(0, -40)];
  sources = await Promise.all(
    texts.map(async (text, k) => {
      const { weights } = await trainWeights(text);
      const path = join(folder, `${k}`);
      await writeFile(path, weights);
      const sha256 = createHash('sha256').update(weights).digest('hex');
      return { kind: 'model', path, bytes: weights.length, sha256 } satisfies ModelSource;
    }),
  );
});
afterAll(() => rm(folder, { recursive: true }));

const hashes = (): string[] => sources.map(({ sha256 }) => sha256);

it('says which models are held: none that failed to load, and none that went', async () => {
  let held: string[] = [];
  const models = createLoadedModels(createReference(), 1.5 * sources[0]!.bytes, ({ models }) => {
    held = models;
  });
  const missing = { ...sources[0]!, sha256: 'f'.repeat(64), path: join(folder, 'none') };
  await expect(models.with(missing, async () => {})).rejects.toMatchObject({ code: 'not_found' });
  expect(held).toEqual([]);
  for (const source of sources) {
    await models.with(source, async () => {});
    expect(held).toEqual([source.sha256]);
  }
});

it('counts the room of what a model is asked for, and lets another one go for it', async () => {
  let held = { models: [] as string[], bytes: 0 };
  const models = createLoadedModels(createReference(), 4 * sources[0]!.bytes, (now) => {
    held = now;
  });
  for (const source of sources) await models.with(source, async () => {});
  expect(held.models).toEqual(hashes());
  await models.with(sources[1]!, async (model) => {
    const generations = Array.from({ length: 200 }, () =>
      (model as LanguageModel).generate({ max_tokens: 2, seed: 1 }),
    );
    await Promise.all(
      generations.map(async (generation) => {
        for await (const _ of generation);
      }),
    );
  });
  expect(held.models).toEqual([sources[1]!.sha256]);
  expect(held.bytes).toBeGreaterThan(2 * sources[0]!.bytes);
});
