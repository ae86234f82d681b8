import type { Tensor } from '@unfold/kernels';
import type { Feed } from '../data/feed.ts';
import { ForwardPass } from '../model/forward-pass.ts';
import type { Network } from '../model/network.ts';
import { createState, type RecurrentState, releaseState } from '../model/recurrent-state.ts';
import { BatchTensors } from './batch-tensors.ts';

/** Means over the whole validation part, per target. */
export interface ValidationLoss {
  loss: number;
  /** Of the head that ends sequences; null: there is none. */
  length: number | null;
  /** Share of right answers; null: the targets are numbers. */
  accuracy: number | null;
}

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
    this.#pass = new ForwardPass(network, feed.longest, feed.sequences);
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
      const loaded = this.#tensors.load(this.#feed.load(0, batch));
      if (batch === 0 || !this.#stateful) this.#pass.begin(this.#state, loaded.context);
      const hidden = this.#pass.hidden(loaded, this.#state);
      this.#pass.losses(
        hidden,
        { ...loaded, count: 1 },
        { loss: this.#loss, correct: softmax ? this.#correct : null, losses: null },
      );
      total.targets += loaded.count;
      if (!loaded.ending) continue;
      const ending = { ...loaded.ending, count: 1 };
      this.#pass.endingLosses(hidden, ending, { loss: this.#length, correct: null, losses: null });
      total.endings += loaded.ending.count;
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

  release(): void {
    const { backend } = this.#network;
    this.#tensors.release();
    this.#pass.release();
    releaseState(backend, this.#state);
    backend.release(this.#loss, this.#correct, this.#length);
    this.#feed.close();
  }
}
