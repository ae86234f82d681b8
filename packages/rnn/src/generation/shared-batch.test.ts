import { createReference } from '@unfold/kernels';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complete, loadTiny, plain, trainTiny } from '../../test-support/completions.ts';
import type { LanguageModel } from '../language-model.ts';
import type { Network } from '../model/network.ts';
import { releaseNetwork } from '../model/network.ts';
import { type RowInput, RowStep } from '../model/row-step.ts';
import { loadNetwork } from '../weights/load-network.ts';
import type { Owner } from './owner.ts';
import type { Prompt } from './prompt-queue.ts';
import { type Stream, StreamBatch } from './stream-batch.ts';

const token: RowInput = { token: 1, position: 0, remaining: null };

/** A call of whoever else uses the batch. */
class Caller implements Owner {
  readonly ready = true;
  readonly streamed = true;
  over = false;
  readonly ended: Promise<void>;
  #settle!: { resolve(): void; reject(error: unknown): void };

  constructor() {
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.ended.catch(() => {});
  }

  fail(error: unknown): void {
    this.over = true;
    this.#settle.reject(error);
  }

  end(): void {
    this.over = true;
    this.#settle.resolve();
  }
}

const throws = (): never => {
  throw new Error('cannot go on');
};

/** Reads one token again and again, so many times. */
const streamOf = (owner: Caller, steps: number, change: Partial<Stream> = {}): Stream => ({
  owner,
  context: null,
  reads: true,
  beginsNow: false,
  wantsState: false,
  keep() {},
  input: () => token,
  hear() {
    if (--steps > 0) return false;
    owner.end();
    return true;
  },
  ...change,
});

describe('streams of several calls in one batch', () => {
  let weights: Uint8Array;
  let network: Network;
  let model: LanguageModel;
  beforeAll(async () => {
    weights = await trainTiny();
    network = loadNetwork(weights, createReference()).network;
    model = await loadTiny(weights);
  });
  afterAll(async () => {
    releaseNetwork(network);
    await model.close();
  });

  test('what goes wrong in one ends its own call, and no other', async () => {
    const batch = new StreamBatch(network);
    const state = await batch.firstState(null);
    const good = new Caller();
    batch.start(streamOf(good, 20), state);
    for (const change of [
      { input: throws },
      { hear: throws },
      { reads: false, hear: throws },
    ] satisfies Partial<Stream>[]) {
      const bad = new Caller();
      batch.start(streamOf(bad, 20, change), state);
      batch.start(streamOf(bad, 20), state);
      await expect(bad.ended).rejects.toThrow('cannot go on');
    }
    const reading: Omit<Prompt, 'owner' | 'progressed' | 'done'> = {
      ...{ ids: Int32Array.of(1, 2, 3), read: 0, until: 3, state, position: 0, context: null, hear: null },
    };
    for (const change of [{ progressed: throws }, { done: throws }]) {
      const bad = new Caller();
      batch.read({ ...reading, owner: bad, progressed() {}, done() {}, ...change });
      await expect(bad.ended).rejects.toThrow('cannot go on');
    }
    await good.ended;
    await batch.close();
  });

  test('a call that comes while others have taken all rows gets one at the next step', async () => {
    let given = 0;
    const many = { ...plain, n: 200, best_of: 200, max_tokens: 2000 };
    const large = [0, 1].map((seed) => model.complete({ ...many, seed }, () => given++));
    // All rows are taken once the first of them have written.
    while (given < 256) await new Promise(setImmediate);
    const before = given;
    const alone = await complete(model, { max_tokens: 1 });
    expect(given - before).toBeLessThan(256 * 20);
    for (const call of large) call.cancel();
    // Streams that made room for others write what they write alone.
    const together = await Promise.all(
      [1, 2, 3].map((seed) => complete(model, { n: 130, max_tokens: 12, seed })),
    );
    expect(together[1]!.choices).toEqual(
      (await complete(model, { n: 130, max_tokens: 12, seed: 2 })).choices,
    );
    expect((await complete(model, { max_tokens: 1 })).choices).toEqual(alone.choices);
  });

  test('rows of all counts share the memory of the most', async () => {
    const rows = new RowStep(network);
    const reader = new StreamBatch(network);
    const state = await reader.firstState(null);
    const buffers = new Set<ArrayBufferLike>();
    const most = 64;
    for (let count = 1; count <= most; count++) {
      rows.add(state, null);
      const { logits } = await rows.run(() => token);
      expect(logits).toHaveLength(count);
      for (const { buffer } of logits) buffers.add(buffer);
    }
    const bytes = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
    const once = most * network.vocabularySize * Float64Array.BYTES_PER_ELEMENT;
    expect(bytes).toBeLessThanOrEqual(2 * once);
    while (rows.rows > 1) {
      rows.remove(0);
      const { logits } = await rows.run(() => token);
      expect(buffers).toContain(logits[0]!.buffer);
    }
    rows.release();
    await reader.close();
  });

  test('a model tells what memory it takes, which many calls do not make grow', async () => {
    const own = await loadTiny(weights);
    const loaded = own.bytes;
    expect(loaded).toBe(own.parameters * Float32Array.BYTES_PER_ELEMENT);
    await complete(own, { n: 100, max_tokens: 3, prompts: ['the cat sat'] });
    const used = own.bytes;
    expect(used - loaded).toBeGreaterThan(2 * 100 * own.vocabularySize * Float32Array.BYTES_PER_ELEMENT);
    for (const n of [1, 17, 60, 100]) await complete(own, { n, max_tokens: 3, prompts: ['the cat sat'] });
    await own.score('the cat sat');
    expect(own.bytes).toBe(used);
    await own.close();
    expect(own.bytes).toBeLessThan(used);
  });

  test('a slow reader of many choices gets one of each beyond what it gave room for', async () => {
    let given = 0;
    const call = model.complete({ ...plain, n: 20, best_of: 20, max_tokens: 50 }, () => given++, {
      credit: 8,
    });
    await complete(model, { max_tokens: 40 });
    expect(given).toBe(20);
    call.cancel();
  });
});
