import { createHash } from 'node:crypto';
import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noTracing } from '@unfold/telemetry';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createInferencePool, type InferencePool } from '../../apps/api/dist/inference/inference-pool.js';
import type { CompletionOptions, ModelSource } from '../../apps/api/dist/inference/protocol.js';
import { createMetrics } from '../../apps/api/dist/metrics.js';
import { plain } from '../../packages/rnn/test-support/completions.ts';
import { waitFor } from '../support/process.ts';
import { sampleText } from './support.ts';
import { trainWeights } from './trained-model.ts';

let folder: string;
let files: Uint8Array[];
let sources: ModelSource[];
let pool: InferencePool;
let metrics: ReturnType<typeof createMetrics>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unfold-memory-'));
  // Large enough that one that has written for one call takes less than twice its file.
  const change = {
    model: { cell: 'gru', hidden_size: 96, num_layers: 1 },
    training: { max_steps: 1 },
  } as const;
  files = await Promise.all(
    [1, 2, 3, 4].map(async (seed) => (await trainWeights(sampleText, { ...change, seed })).weights),
  );
});
afterAll(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  sources = await Promise.all(
    files.map(async (weights, k) => {
      const path = join(folder, `${k}`);
      await writeFile(path, weights);
      const sha256 = createHash('sha256').update(weights).digest('hex');
      return { kind: 'model', path, bytes: weights.length, sha256 };
    }),
  );
  metrics = createMetrics();
});
afterEach(() => pool.close());

/** Two threads that share memory for so many of the files, all of about one size. */
const open = (models: number): void => {
  pool = createInferencePool({
    threads: 2,
    limit: 100,
    memoryBytes: models * sources[0]!.bytes,
    data: { engine: 'reference', cache_bytes: 0 },
    metrics,
    tracing: noTracing,
    log: { error() {}, warn() {} },
  });
};
const options: CompletionOptions = { ...plain, prompts: ['the'], max_tokens: 5, seed: 4 };

/** Begins to write with a model; the answer's rest comes when it is asked for. */
const begin = async (k: number, max_tokens: number) => {
  const chunks = pool.complete(sources[k]!, { ...options, max_tokens }, new AbortController().signal);
  const first = await chunks.next();
  let text = first.done ? '' : first.value.text;
  return async (): Promise<string> => {
    for await (const chunk of chunks) text += chunk.text;
    return text;
  };
};
const ask = async (k: number, max_tokens = 5): Promise<string> => (await begin(k, max_tokens))();
const numberOf = async (name: 'modelMemoryBytes' | 'modelsLoaded'): Promise<number> =>
  (await metrics[name].get()).values[0]!.value;

it('lets a model of one thread go for one of another, and keeps what was used later', async () => {
  open(4.2);
  const finish = await begin(0, 150);
  // The first thread is busy.
  await ask(1);
  await finish();
  await ask(2);
  for (const { path } of sources) await unlink(path);
  expect(await ask(0)).toHaveLength(5);
  expect(await ask(2)).toHaveLength(5);
  await expect(ask(1)).rejects.toMatchObject({ code: 'not_found' });
});

it('finishes what a model writes that was deleted meanwhile, and lets nobody else have its memory', async () => {
  open(1.9);
  const expected = await ask(0, 150);
  const finish = await begin(0, 150);
  await unlink(sources[0]!.path);
  await expect(ask(1)).rejects.toMatchObject({ code: 'overloaded' });
  expect(await finish()).toBe(expected);
  expect(await ask(1)).toHaveLength(5);
  await expect(ask(0)).rejects.toMatchObject({ code: 'not_found' });
});

it('writes a busy model in both threads where a copy has room, else in one, and refuses nobody for that', async () => {
  for (const [room, copies] of [
    [1.9, 1],
    [20, 2],
  ] as const) {
    open(room);
    const texts = await Promise.all(Array.from({ length: 24 }, () => ask(0, 40)));
    expect(new Set(texts).size).toBe(1);
    expect(await numberOf('modelsLoaded')).toBe(copies);
    await pool.close();
  }
});

it('holds no more than has room for its weights, and is within its limit when all is idle, whoever asked for what', async () => {
  open(4.2);
  const expected = new Map<number, string>();
  for (const k of sources.keys()) expected.set(k, await ask(k));
  let most = 0;
  const answers = await Promise.allSettled(
    Array.from({ length: 40 }, async (_, index) => {
      const k = (index * 7) % sources.length;
      // In turns of different lengths, so that models come and go in between.
      for (let turn = 0; turn < index % 5; turn++) await ask(k).catch(() => {});
      most = Math.max(most, await numberOf('modelsLoaded'));
      expect(await ask(k)).toBe(expected.get(k));
    }),
  );
  for (const answer of answers)
    if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'overloaded' });
  expect(answers.some(({ status }) => status === 'fulfilled')).toBe(true);
  expect(most).toBeLessThanOrEqual(4);
  await waitFor(
    'memory to be free',
    async () => (await numberOf('modelMemoryBytes')) <= 4.2 * sources[0]!.bytes,
  );
});
