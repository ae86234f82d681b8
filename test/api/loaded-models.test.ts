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

/** What is held, as a thread tells it. */
const listen = () => {
  const held = new Map<string, number>();
  const hear = (sha256: string, bytes: number): void => {
    if (bytes === 0) held.delete(sha256);
    else held.set(sha256, bytes);
  };
  return { held, models: createLoadedModels(createReference(), hear) };
};
const settled = () => new Promise(setImmediate);

it('says which models are held: none that failed to load, and none that went', async () => {
  const { held, models } = listen();
  const missing = { ...sources[0]!, sha256: 'f'.repeat(64), path: join(folder, 'none') };
  await expect(models.with(missing, async () => {})).rejects.toMatchObject({ code: 'not_found' });
  await settled();
  expect(held).toEqual(new Map());
  for (const source of sources) await models.with(source, async () => {});
  expect([...held.keys()]).toEqual(sources.map(({ sha256 }) => sha256));
  models.unload(sources[0]!.sha256);
  await settled();
  expect([...held.keys()]).toEqual([sources[1]!.sha256]);
});

it('gives a call its model where the same weights of another one were deleted while it waited for them', async () => {
  const { held, models } = listen();
  const source = sources[0]!;
  const deleted = { ...source, path: join(folder, 'none') };
  const [first, second, third] = await Promise.allSettled([
    models.with(deleted, async () => 'first'),
    models.with(source, async () => 'second'),
    models.with(deleted, async () => 'third'),
  ]);
  for (const failed of [first, third])
    expect(failed).toMatchObject({ status: 'rejected', reason: { code: 'not_found' } });
  expect(second).toEqual({ status: 'fulfilled', value: 'second' });
  await settled();
  expect([...held.keys()]).toEqual([source.sha256]);
});

it('keeps a model that was told to go until its last call is over', async () => {
  const { held, models } = listen();
  const source = sources[0]!;
  const text = await models.with(source, async (model) => {
    models.unload(source.sha256);
    await settled();
    expect(held.has(source.sha256)).toBe(true);
    let written = '';
    for await (const { text: piece } of (model as LanguageModel).generate({ max_tokens: 5, seed: 1 }))
      written += piece;
    return written;
  });
  expect(text).toHaveLength(5);
  await settled();
  expect(held).toEqual(new Map());
});

it('counts the room of what a model is asked for while it is asked', async () => {
  const { held, models } = listen();
  const source = sources[1]!;
  await models.with(source, async (model) => {
    const generations = Array.from({ length: 200 }, () =>
      (model as LanguageModel).generate({ max_tokens: 2, seed: 1 }),
    );
    await Promise.all(
      generations.map(async (generation) => {
        for await (const _ of generation);
      }),
    );
    expect(held.get(source.sha256)).toBeGreaterThan(2 * source.bytes);
  });
});
