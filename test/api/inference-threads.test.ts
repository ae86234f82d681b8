import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { noTracing } from '@unfold/telemetry';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createInferencePool, type InferencePool } from '../../apps/api/dist/inference/inference-pool.js';
import type { CompletionOptions, ModelSource } from '../../apps/api/dist/inference/protocol.js';
import { createMetrics } from '../../apps/api/dist/metrics.js';
import { plain } from '../../packages/rnn/test-support/completions.ts';
import { waitFor } from '../support/process.ts';
import { sampleText } from './support.ts';
import { type TrainedWeights, trainWeights } from './trained-model.ts';

let folder: string;
let trained: TrainedWeights;
let sources: ModelSource[];
let data: string;
let pool: InferencePool;
let metrics: ReturnType<typeof createMetrics>;
/** Those that were started since the test began; Node tells of one in the turn after. */
let workers: Worker[];
const note = (worker: Worker) => workers.push(worker);
const started = async (): Promise<number> => {
  await nextTurn();
  return workers.length;
};
const never = (): AbortSignal => new AbortController().signal;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unfold-threads-'));
  data = join(folder, 'data');
  await writeFile(data, sampleText);
  const models = await Promise.all([1, 2].map((seed) => trainWeights(sampleText, { seed })));
  trained = models[0]!;
  sources = await Promise.all(
    models.map(async ({ weights }, k) => {
      const path = join(folder, `${k}`);
      await writeFile(path, weights);
      const sha256 = createHash('sha256').update(weights).digest('hex');
      return { kind: 'model', path, bytes: weights.length, sha256 };
    }),
  );
});
afterAll(() => rm(folder, { recursive: true }));

beforeEach(() => {
  workers = [];
  process.on('worker', note);
});
afterEach(async () => {
  process.off('worker', note);
  await pool.close();
});

const open = (threads: number, memoryBytes = 1 << 30): void => {
  metrics = createMetrics();
  pool = createInferencePool({
    threads,
    limit: 100,
    memoryBytes,
    data: { engine: 'reference', cache_bytes: 0 },
    metrics,
    tracing: noTracing,
    log: { error() {}, warn() {} },
  });
};

const options: CompletionOptions = { ...plain, prompts: ['the'], max_tokens: 200, seed: 4 };

/** A text that its thread cannot finish until its rest is asked for. */
const begin = async (k: number): Promise<() => Promise<string>> => {
  const chunks = pool.complete(sources[k]!, options, never());
  const first = await chunks.next();
  let text = first.done ? '' : first.value.text;
  return async () => {
    for await (const chunk of chunks) text += chunk.text;
    return text;
  };
};
/** A text of one token, as a whole. */
const writeOne = async (): Promise<string> => {
  const { value } = await pool
    .complete(sources[0]!, { ...options, max_tokens: 1, whole: true }, never())
    .next();
  return (value as { text: string }).text;
};
const score = (k: number) => pool.score(sources[k]!, { texts: ['the cat'], context: null }, never());
/** A call that needs no model. */
const preview = () => pool.preview(trained.spec, data, never());
const restarts = async (): Promise<number> => (await metrics.inferenceRestarts.get()).values[0]!.value;

describe('the threads that answer', () => {
  it('are one until a call has need of another, and then no more than are allowed', async () => {
    open(2);
    expect(await started()).toBe(1);
    await score(0);
    await preview();
    expect(await started()).toBe(1);
    const first = await begin(0);
    // With the text, and no slower for it.
    await score(0);
    expect(await started()).toBe(1);
    // Beside it, since another model is to be loaded anyway.
    const second = await begin(1);
    expect(await started()).toBe(2);
    await Promise.all([preview(), preview(), score(0), score(1)]);
    expect(await started()).toBe(2);
    expect(await first()).toHaveLength(200);
    expect(await second()).toHaveLength(200);
  });

  it('write the same in one that had to be started for it as in the first', async () => {
    open(2);
    const expected = await (await begin(0))();
    const texts = await Promise.all(Array.from({ length: 12 }, () => begin(0)));
    expect(await started()).toBe(2);
    expect(new Set(await Promise.all(texts.map((finish) => finish())))).toEqual(new Set([expected]));
    expect((await metrics.modelsLoaded.get()).values[0]!.value).toBe(2);
  });

  it('leave short calls together in the first, which they would not keep busy', async () => {
    open(2);
    const texts = await Promise.all(Array.from({ length: 60 }, writeOne));
    expect(await started()).toBe(1);
    expect(new Set(texts).size).toBe(1);
    // They gather beside long ones, too, once there are two copies of the model.
    const long = await Promise.all(Array.from({ length: 12 }, () => begin(0)));
    expect(await started()).toBe(2);
    expect(new Set(await Promise.all(Array.from({ length: 60 }, writeOne)))).toEqual(new Set(texts));
    for (const text of long) expect(await text()).toHaveLength(200);
  });

  it('are not started for a model that there is no memory for', async () => {
    open(2, sources[0]!.bytes * 1.5);
    const finish = await begin(0);
    await expect(score(1)).rejects.toMatchObject({ code: 'overloaded' });
    expect(await started()).toBe(1);
    expect(await finish()).toHaveLength(200);
    // Nor beside one that goes first, in whose thread there is room then.
    await score(1);
    expect(await started()).toBe(1);
  });

  it('are there at once when the only one that ran has died, and it is replaced', async () => {
    open(2);
    const finish = await begin(0);
    const lost = finish();
    await workers[0]!.terminate();
    await expect(lost).rejects.toMatchObject({ code: 'unavailable' });
    const answer = score(0);
    expect(await started()).toBe(2);
    expect(await answer).toHaveLength(1);
    await waitFor('the dead thread to be replaced', () => workers.length === 3);
    expect(await restarts()).toBe(1);
    const texts = await Promise.all([begin(0), begin(1)]);
    for (const text of texts) expect(await text()).toHaveLength(200);
    expect(await started()).toBe(3);
  });

  it('take the calls with them that they were started for when the server stops', async () => {
    open(3);
    await begin(0);
    const call = expect(score(1)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('restarting'),
    });
    expect(await started()).toBe(2);
    await pool.close();
    await call;
    await expect(preview()).rejects.toMatchObject({ code: 'unavailable' });
    expect(await started()).toBe(2);
    expect((await metrics.inferenceRunning.get()).values[0]!.value).toBe(0);
    expect(await restarts()).toBe(0);
  });
});
