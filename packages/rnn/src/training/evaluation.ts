import type { Tensor } from '@unfold/kernels';
import type { Feed } from '../data/feed.ts';
import { ForwardPass } from '../model/forward-pass.ts';
import type { HeadTargets } from '../model/head.ts';
import type { Network } from '../model/network.ts';
import { inputWithin, targetsWithin } from '../model/pass-batch.ts';
import { createState, type RecurrentState, releaseState } from '../model/recurrent-state.ts';
import { BatchTensors, type DeviceBatch } from './batch-tensors.ts';

/** Means over the whole validation part, per target. */
export interface ValidationLoss {
  loss: number;
  /** Of the head that ends sequences; null: there is none. */
  length: number | null;
  /** Share of right answers; null: the targets are numbers. */
  accuracy: number | null;
}

/** Most tokens that are evaluated at once: enough to keep a processor's vectors and threads busy, and little memory beside training's. */
const tokensAtOnce = 512;

/**
 * The validation loss: mean −log p in nats per target over the whole validation part (or the mean loss of numbers), teacher forced, without
 * dropout. Where a feed's batches go on, the state is carried if training carries it.
 */
export class Evaluation {
  readonly #network: Network;
  readonly #feed: Feed;
  readonly #stateful: boolean;
  readonly #tensors: BatchTensors;
  readonly #pass: ForwardPass;
  /** Time steps of a pass; the state flows from one to the next. */
  readonly #passSteps: number;
  readonly #state: RecurrentState;
  readonly #loss: Tensor;
  readonly #correct: Tensor;
  readonly #length: Tensor;

  constructor(network: Network, feed: Feed, stateful: boolean) {
    const { backend } = network;
    this.#network = network;
    this.#feed = feed;
    this.#stateful = stateful && feed.continues;
    this.#tensors = new BatchTensors(network, feed);
    const pieces = Math.max(1, Math.floor(tokensAtOnce / feed.sequences));
    // Who reads from the end must have it.
    this.#passSteps = network.model.bidirectional ? feed.longest : Math.min(feed.longest, pieces);
    this.#pass = new ForwardPass(network, this.#passSteps, feed.sequences);
    this.#state = createState(network, feed.sequences);
    this.#loss = backend.createTensor([1], 'double');
    this.#correct = backend.createTensor([1], 'double');
    this.#length = backend.createTensor([1], 'double');
  }

  /** @param interrupted asked between batches; the answer is null once it says true */
  async run(interrupted: () => Promise<boolean>): Promise<ValidationLoss | null> {
    const { backend, shape, parameters } = this.#network;
    const total = { targets: 0, endings: 0 };
    backend.zero(this.#loss, this.#correct, this.#length);
    const softmax = shape.loss === 'softmax';
    for (let batch = 0; batch < this.#feed.batches; batch++) {
      if (await interrupted()) return null;
      const starts = batch === 0 || !this.#stateful;
      const loaded = this.#tensors.load(this.#feed.load(0, batch), starts);
      if (starts) this.#pass.begin(this.#state, loaded.context);
      for (let first = 0; first < loaded.steps; first += this.#passSteps)
        this.#piece(loaded, first, Math.min(this.#passSteps, loaded.steps - first));
      total.targets += loaded.count;
      total.endings += loaded.ending?.count ?? 0;
    }
    const [loss, correct, length] = await Promise.all(
      [this.#loss, this.#correct, this.#length].map(async (tensor) => (await backend.download(tensor))[0]!),
    );
    return {
      loss: loss! / Math.max(1, total.targets),
      length: parameters.length ? length! / total.endings : null,
      accuracy: softmax ? correct! / Math.max(1, total.targets) : null,
    };
  }

  /** Adds the losses of steps first … first + steps − 1. */
  #piece(batch: DeviceBatch, first: number, steps: number): void {
    const { backend, shape } = this.#network;
    const input = inputWithin(backend, batch, first, steps);
    const hidden = this.#pass.hidden({ ...input, firstStep: first }, this.#state);
    const correct = shape.loss === 'softmax' ? this.#correct : null;
    const sums = { loss: this.#loss, correct, losses: null };
    if (shape.outputAt === 'end') {
      // Sequences that are over keep their last state, so that all have arrived at it in the end.
      if (first + steps === batch.steps) this.#pass.losses(hidden, { ...batch, count: 1 }, sums);
      return;
    }
    const within = (targets: HeadTargets) => targetsWithin(backend, { ...targets, count: 1 }, first, steps);
    this.#pass.losses(hidden, within(batch), sums);
    if (batch.ending)
      this.#pass.endingLosses(hidden, within(batch.ending), {
        loss: this.#length,
        correct: null,
        losses: null,
      });
  }

  release(): void {
    const { backend } = this.#network;
    this.#tensors.release();
    this.#pass.release();
    releaseState(backend, this.#state);
    backend.release(this.#loss, this.#correct, this.#length);
    this.#feed.close();
  }
}
