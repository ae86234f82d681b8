import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noTracing } from '@unfold/telemetry';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createInferencePool, type InferencePool } from '../../apps/api/dist/inference/inference-pool.js';
import type { CompletionOptions, ModelSource } from '../../apps/api/dist/inference/protocol.js';
import { createMetrics } from '../../apps/api/dist/metrics.js';
import { plain } from '../../packages/rnn/test-support/completions.ts';
import { sampleText } from './support.ts';
import { trainWeights } from './trained-model.ts';

let folder: string;
let pool: InferencePool;
let source: ModelSource;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unfold-pool-'));
  const { weights } = await trainWeights(sampleText);
  const path = join(folder, 'weights');
  await writeFile(path, weights);
  const sha256 = createHash('sha256').update(weights).digest('hex');
  source = { kind: 'model', path, bytes: weights.length, sha256 };
  pool = createInferencePool({
    threads: 1,
    limit: 10,
    memoryBytes: 1 << 30,
    data: { engine: 'reference', cache_bytes: 1 << 20 },
    metrics: createMetrics(),
    tracing: noTracing,
    log: { error() {}, warn() {} },
  });
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

const options: CompletionOptions = { ...plain, prompts: ['the'], max_tokens: 300, seed: 4 };

/** Reads a call, and aborts it once its reader has taken so many chunks. */
const write = async (change: Partial<CompletionOptions>, abortAfter = Number.POSITIVE_INFINITY) => {
  const abort = new AbortController();
  const chunks = pool.complete(source, { ...options, ...change }, abort.signal);
  let text = '';
  let taken = 0;
  let step = await chunks.next();
  for (; !step.done; step = await chunks.next()) {
    text += step.value.text;
    if (++taken === abortAfter) abort.abort();
  }
  return { text, session: step.value.session };
};

it('says where a session stands when its call is aborted: after what its reader took', async () => {
  const whole = await write({});
  // The last of them when the thread has long written everything.
  for (const taken of [1, 90, 295, 299]) {
    const first = await write({ session: { state: null } }, taken);
    expect(first.text).toBe(whole.text.slice(0, taken));
    const goOn = { session: { state: first.session!.state }, prompts: [''], max_tokens: 300 - taken };
    expect(first.text + (await write(goOn)).text).toBe(whole.text);
  }
});

it('gives up a call that is aborted without a session', async () => {
  await expect(write({}, 20)).rejects.toMatchObject({ code: 'unavailable' });
});

it('answers whole texts in one piece each, and the same ones', async () => {
  const chunks = pool.complete(source, { ...options, whole: true }, new AbortController().signal);
  const first = await chunks.next();
  expect(first.value).toMatchObject({ index: 0, text: (await write({})).text, finish_reason: 'length' });
  expect((await chunks.next()).done).toBe(true);
});
