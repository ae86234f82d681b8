import type { Tensor } from '@unfold/kernels';
import type { Feed } from '../data/feed.ts';
import { likeliest } from '../generation/sampler.ts';
import type { Network } from '../model/network.ts';
import { StepwisePass } from '../model/stepwise-pass.ts';
import { BatchTensors, type DeviceBatch } from './batch-tensors.ts';
import type { FreeRunningLoss } from './free-running.ts';

/** Time steps of one evaluation, all batches together. */
const mostSteps = 1024;

/**
 * How much worse a labeling with feedback is when it is fed what it answered, as it will be in use: the likeliest token of each step, or its
 * numbers, from the first step on. Over batches that are spread over the validation part.
 */
export class FreeRunningLabels {
  readonly #network: Network;
  readonly #feed: Feed;
  readonly #batches: number[];
  readonly #tensors: BatchTensors;
  readonly #pass: StepwisePass;
  readonly #free: Tensor;
  readonly #forced: Tensor;
  readonly #correct: Tensor;

  constructor(network: Network, feed: Feed) {
    const { backend } = network;
    this.#network = network;
    this.#feed = feed;
    const count = Math.max(1, Math.min(feed.batches, Math.floor(mostSteps / feed.longest)));
    this.#batches = Array.from({ length: count }, (_, k) => Math.floor((k * feed.batches) / count));
    this.#tensors = new BatchTensors(network, feed);
    this.#pass = new StepwisePass(network, feed.sequences);
    this.#free = backend.createTensor([1], 'double');
    this.#forced = backend.createTensor([1], 'double');
    this.#correct = backend.createTensor([1], 'double');
  }

  /** @param interrupted asked before every time step; the answer is null once it says true */
  async run(interrupted: () => Promise<boolean>): Promise<FreeRunningLoss | null> {
    const { backend, shape } = this.#network;
    const softmax = shape.loss === 'softmax';
    backend.zero(this.#free, this.#forced, this.#correct);
    let targets = 0;
    for (const place of this.#batches) {
      const batch = this.#tensors.load(this.#feed.load(0, place));
      targets += batch.count;
      const correct = softmax ? this.#correct : null;
      if (!(await this.#runSteps(batch, false, { loss: this.#forced, correct: null }, interrupted)))
        return null;
      if (!(await this.#runSteps(batch, true, { loss: this.#free, correct }, interrupted))) return null;
    }
    const [free, forced, correct] = await Promise.all(
      [this.#free, this.#forced, this.#correct].map(async (tensor) => (await backend.download(tensor))[0]!),
    );
    const mean = (sum: number): number => sum / Math.max(1, targets);
    return { free: mean(free!), forced: mean(forced!), accuracy: softmax ? mean(correct!) : null };
  }

  async #runSteps(
    batch: DeviceBatch,
    free: boolean,
    sums: { loss: Tensor; correct: Tensor | null },
    interrupted: () => Promise<boolean>,
  ): Promise<boolean> {
    const { backend } = this.#network;
    this.#pass.begin(batch);
    for (let t = 0; t < batch.steps; t++) {
      if (await interrupted()) return false;
      this.#pass.step(batch, t);
      this.#pass.losses({ ...batch, count: 1 }, t, { ...sums, losses: null });
      if (free && t + 1 < batch.steps) await this.#feedAnswers(backend.view(batch.feedback!, t + 1, 1));
    }
    return true;
  }

  async #feedAnswers(fed: Tensor): Promise<void> {
    const { backend, shape } = this.#network;
    if (shape.loss !== 'softmax') {
      this.#pass.feed(fed);
      return;
    }
    const outputs = await backend.download(this.#pass.outputs);
    const V = shape.output.size;
    const answers = Int32Array.from({ length: this.#feed.sequences }, (_, n) =>
      likeliest(outputs.subarray(n * V, (n + 1) * V), null),
    );
    backend.upload(fed, answers);
  }

  release(): void {
    this.#tensors.release();
    this.#pass.release();
    this.#network.backend.release(this.#free, this.#forced, this.#correct);
  }
}
