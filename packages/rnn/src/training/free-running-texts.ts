import { createRandomStream, randomPurposes, type Tensor } from '@unfold/kernels';
import type { Feed, HostBatch } from '../data/feed.ts';
import { sampleToken } from '../generation/sampler.ts';
import type { Network } from '../model/network.ts';
import { StepwisePass } from '../model/stepwise-pass.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { BatchTensors } from './batch-tensors.ts';
import { ancestral, type FreeRunningLoss, freeRunningStream, warmUp } from './free-running.ts';

/** Time steps of one evaluation, all batches together. */
const mostSteps = 128;

interface Warmed {
  batch: HostBatch;
  /** [N], true steps of each row. */
  warm: Int32Array;
}

/**
 * What `FreeRunning` is for an endless text, for texts that end: 16 true tokens of each (half of a shorter one) warm the state, then the model
 * is fed samples of its own, its loss being that of the true tokens, the end among them. As the true text goes on there, the end is not drawn.
 */
export class FreeRunningTexts {
  readonly #network: Network;
  readonly #feed: Feed;
  readonly #tokenizer: Tokenizer;
  readonly #seed: number;
  readonly #batches: number[];
  readonly #tensors: BatchTensors;
  readonly #pass: StepwisePass;
  readonly #free: Tensor;
  readonly #forced: Tensor;

  /** Null if the texts are too short: nothing is left beyond their warm-up. */
  static over(network: Network, feed: Feed, tokenizer: Tokenizer, seed: number): FreeRunningTexts | null {
    const running = new FreeRunningTexts(network, feed, tokenizer, seed);
    if (running.#batches.some((place) => running.#warmed(feed.load(0, place)).batch.count > 0))
      return running;
    running.release();
    return null;
  }

  private constructor(network: Network, feed: Feed, tokenizer: Tokenizer, seed: number) {
    const { backend } = network;
    this.#network = network;
    this.#feed = feed;
    this.#tokenizer = tokenizer;
    this.#seed = seed;
    const count = Math.max(1, Math.min(feed.batches, Math.floor(mostSteps / feed.longest)));
    this.#batches = Array.from({ length: count }, (_, k) => Math.floor((k * feed.batches) / count));
    this.#tensors = new BatchTensors(network, feed);
    this.#pass = new StepwisePass(network, feed.sequences);
    this.#free = backend.createTensor([1], 'double');
    this.#forced = backend.createTensor([1], 'double');
  }

  /** @param interrupted asked before every time step; the answer is null once it says true */
  async run(interrupted: () => Promise<boolean>): Promise<FreeRunningLoss | null> {
    const { backend } = this.#network;
    backend.zero(this.#free, this.#forced);
    let targets = 0;
    for (const place of this.#batches) {
      const warmed = this.#warmed(this.#feed.load(0, place));
      targets += warmed.batch.count;
      if (!(await this.#runSteps(warmed, this.#forced, null, interrupted))) return null;
      if (!(await this.#runSteps(warmed, this.#free, place, interrupted))) return null;
    }
    const [free, forced] = await Promise.all(
      [this.#free, this.#forced].map(async (tensor) => (await backend.download(tensor))[0]!),
    );
    return { free: free! / targets, forced: forced! / targets, accuracy: null };
  }

  /** The batch without the targets of its warm-up. */
  #warmed(batch: HostBatch): Warmed {
    const N = this.#feed.sequences;
    const warm = batch.lengths!.map((length) => Math.max(1, Math.min(warmUp, Math.floor(length / 2))));
    const steps = Math.min(mostSteps, batch.steps);
    const targets = (batch.targets as Int32Array).map((target, k) => {
      const t = Math.floor(k / N);
      return t < warm[k % N]! || t >= steps ? -1 : target;
    });
    return { batch: { ...batch, targets, count: targets.filter((target) => target >= 0).length }, warm };
  }

  /** @param place of the batch whose own samples are fed; null: its tokens are */
  async #runSteps(
    { batch, warm }: Warmed,
    loss: Tensor,
    place: number | null,
    interrupted: () => Promise<boolean>,
  ): Promise<boolean> {
    const { backend } = this.#network;
    const loaded = this.#tensors.load(batch);
    const steps = Math.min(mostSteps, batch.steps);
    this.#pass.begin(loaded);
    for (let t = 0; t < steps; t++) {
      if (await interrupted()) return false;
      if (place !== null && t > 0) {
        const tokens = await this.#draw({ batch, warm }, place, t);
        backend.upload(backend.view(loaded.inputs, t, 1), tokens);
      }
      this.#pass.step(loaded, t);
      this.#pass.losses({ ...loaded, count: 1 }, t, { loss, correct: null, losses: null });
    }
    return true;
  }

  /** Inputs of step t: drawn from the outputs of the step before, where a sequence is past its warm-up. */
  async #draw({ batch, warm }: Warmed, place: number, t: number): Promise<Int32Array> {
    const { backend, vocabularySize: V } = this.#network;
    const { boundary, unknown } = this.#tokenizer;
    const N = this.#feed.sequences;
    const outputs = (await backend.download(this.#pass.outputs)) as Float32Array | Float64Array;
    const address = { seed: this.#seed, purpose: randomPurposes.evaluation, layer: freeRunningStream, t };
    return (batch.inputs as Int32Array).slice(t * N, (t + 1) * N).map((token, n) => {
      if (t < warm[n]! || t >= batch.lengths![n]!) return token;
      const row = outputs.subarray(n * V, (n + 1) * V);
      if (boundary !== null) row[boundary] = Number.NEGATIVE_INFINITY;
      const random = createRandomStream({ ...address, step: place, sequence: batch.sequences![n]! });
      return sampleToken(row, ancestral, random.uniform(), unknown).token;
    });
  }

  release(): void {
    this.#tensors.release();
    this.#pass.release();
    this.#network.backend.release(this.#free, this.#forced);
  }
}
