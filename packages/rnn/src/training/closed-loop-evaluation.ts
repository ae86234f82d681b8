import type { Tensor } from '@unfold/kernels';
import type { Feed, HostBatch } from '../data/feed.ts';
import { ClosedLoop } from '../model/closed-loop.ts';
import { type Network, upload } from '../model/network.ts';

/** True time steps that warm the state; fewer in a shorter sequence, but at least half of it. */
export const warmUpSteps = 16;
/** Time steps of one evaluation, all batches together. */
const mostSteps = 128;

/** Mean losses over the same positions. */
export interface ClosedLoopLoss {
  /** The network read its own forecasts. */
  free: number;
  /** It read the data. */
  forced: number;
  /** Of the forecast that the last value read in the warm-up stays; null where that has no finite loss. */
  naive: number | null;
}

/** Time steps first … end − 1 of each row, in which the network reads what it said. */
interface Span {
  first: number;
  end: number;
}

/** Batches of a feed but for the rest of a series that is no whole window, unless there is nothing else. */
const wholeBatches = (feed: Feed): number => {
  const { batches, continues, longest } = feed;
  return continues && batches > 1 && feed.load(0, batches - 1).steps < longest ? batches - 1 : batches;
};

/** Of two rows of [T,N,C]. */
const squaredDistance = (a: Float32Array, rowA: number, b: Float32Array, rowB: number, C: number): number => {
  let sum = 0;
  for (let k = 0; k < C; k++) sum += (a[rowA * C + k]! - b[rowB * C + k]!) ** 2;
  return sum;
};

/**
 * How a forecast does over a horizon: in sequences of the validation part 16 true time steps (fewer in a shorter one, but at least
 * half of it) warm the first state; then the network is fed its own forecasts for `horizon` steps, its loss still being that of the data. Sequences run side by
 * side, in batches spread over the part.
 */
export class ClosedLoopEvaluation {
  readonly #network: Network;
  readonly #feed: Feed;
  readonly #horizon: number;
  readonly #batches: number[];
  readonly #loop: ClosedLoop;
  readonly #targets: Tensor;
  readonly #mask: Tensor;
  readonly #free: Tensor;
  readonly #forced: Tensor;

  /** @param feed is closed with the evaluation */
  constructor(network: Network, feed: Feed, horizon: number) {
    const { backend, shape } = network;
    const steps = Math.min(feed.longest, warmUpSteps + horizon);
    const { sequences } = feed;
    const batches = wholeBatches(feed);
    const count = Math.min(batches, Math.max(1, Math.floor(mostSteps / steps)));
    this.#network = network;
    this.#feed = feed;
    this.#horizon = horizon;
    // The last batch is among them: sorted by length, it has the longest records.
    this.#batches = Array.from({ length: count }, (_, k) => Math.floor(((k + 1) * batches) / count) - 1);
    this.#loop = new ClosedLoop(network, steps, sequences);
    this.#targets = backend.createTensor([steps, sequences, shape.output.size]);
    this.#mask = backend.createTensor([steps, sequences], 'int');
    this.#free = backend.createTensor([1], 'double');
    this.#forced = backend.createTensor([1], 'double');
  }

  /**
   * @param interrupted asked before every time step
   * @returns 'interrupted' once it says true; null where no sequence has two inputs
   */
  async run(interrupted: () => Promise<boolean>): Promise<ClosedLoopLoss | 'interrupted' | null> {
    const { backend, shape } = this.#network;
    const total = { naive: 0, count: 0 };
    backend.zero(this.#free, this.#forced);
    for (const batch of this.#batches) {
      const measured = await this.#runBatch(this.#feed.load(0, batch), interrupted);
      if (measured === null) return 'interrupted';
      total.naive += measured.naive;
      total.count += measured.count;
    }
    if (total.count === 0) return null;
    const [free, forced] = await Promise.all([backend.download(this.#free), backend.download(this.#forced)]);
    return {
      free: free[0]! / total.count,
      forced: forced[0]! / total.count,
      naive: shape.loss === 'squared_error' ? total.naive / total.count : null,
    };
  }

  /** Spans of the rows; empty ones where there is nothing to warm the state with. */
  #spans({ steps, lengths }: HostBatch): Span[] {
    return Array.from({ length: this.#feed.sequences }, (_, n) => {
      const length = lengths ? lengths[n]! : steps;
      const first = Math.min(warmUpSteps, Math.max(Math.floor(length / 2), length - this.#horizon));
      return { first, end: first === 0 ? 0 : Math.min(length, first + this.#horizon) };
    });
  }

  async #runBatch(
    batch: HostBatch,
    interrupted: () => Promise<boolean>,
  ): Promise<{ naive: number; count: number } | null> {
    const { backend, shape } = this.#network;
    const N = this.#feed.sequences;
    const C = shape.input.size;
    const spans = this.#spans(batch);
    const end = Math.max(...spans.map((span) => span.end));
    const inputs = batch.inputs as Float32Array;
    const targets = batch.targets as Float32Array;
    const mask = new Int32Array(end * N);
    const measured = { naive: 0, count: 0 };
    spans.forEach((span, n) => {
      for (let t = span.first; t < span.end; t++) {
        mask[t * N + n] = 1;
        measured.naive += squaredDistance(inputs, (span.first - 1) * N + n, targets, t * N + n, C);
        measured.count++;
      }
    });
    if (measured.count === 0) return measured;
    upload(backend, backend.view(this.#targets, 0, end), targets.subarray(0, end * N * C));
    backend.upload(backend.view(this.#mask, 0, end), mask);
    const held = (first: number, steps: number) => ({
      targets: backend.view(this.#targets, first, steps),
      mask: backend.view(this.#mask, first, steps),
      count: 1,
    });
    const sums = (loss: Tensor) => ({ loss, correct: null, losses: null });

    this.#loop.begin();
    this.#loop.read(inputs.subarray(0, end * N * C));
    this.#loop.losses(held(0, end), sums(this.#forced));

    const warm = Math.min(...spans.filter((span) => span.end > span.first).map((span) => span.first));
    this.#loop.begin();
    this.#loop.read(inputs.subarray(0, warm * N * C));
    for (let t = warm; t < end; t++) {
      if (await interrupted()) return null;
      const said = await this.#loop.next();
      // A longer sequence still reads the data.
      spans.forEach(({ first }, n) => {
        const row = (t * N + n) * C;
        if (t < first) said.set(inputs.subarray(row, row + C), n * C);
      });
      this.#loop.read(said);
      this.#loop.losses(held(t, 1), sums(this.#free));
    }
    return measured;
  }

  release(): void {
    this.#loop.release();
    this.#network.backend.release(this.#targets, this.#mask, this.#free, this.#forced);
    this.#feed.close();
  }
}
