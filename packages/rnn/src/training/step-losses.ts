import type { Backend, Tensor } from '@unfold/kernels';
import { expectFinite } from './divergence.ts';
import type { MetricSums } from './training-state.ts';

/** A device of its own is kept busy while the host waits for its numbers: so many steps may be ahead of what is known of them. */
const stepsAhead = 4;

export interface StepTensors {
  loss: Tensor;
  correct: Tensor;
  lengthLoss: Tensor;
  norm: Tensor;
}

/** What a step's loss stands for: targets and time steps that are no padding, and the same as shares of an average batch's. */
export interface StepCounts {
  targets: number;
  weight: number;
  lengthWeight: number;
}

interface StepUnderway {
  step: number;
  values: Promise<number[]>;
  counts: StepCounts;
}

/** Losses on their way from the device, in the order of their steps. */
export class StepLosses {
  readonly #backend: Backend;
  readonly #underway: StepUnderway[] = [];

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Asks for what the tensors hold now. */
  add(step: number, { loss, correct, lengthLoss, norm }: StepTensors, counts: StepCounts): void {
    const values = Promise.all(
      [loss, correct, lengthLoss, norm].map(async (tensor) => (await this.#backend.download(tensor))[0]!),
    );
    // Whoever waits for them hears of it.
    values.catch(() => undefined);
    this.#underway.push({ step, values, counts });
  }

  /**
   * Waits until only the last few steps are unknown, none where tensors stand in this process's own memory, and adds the others to `sums`.
   * @throws UnfoldError `diverged`, naming the first step whose numbers are none
   */
  async keepUp(sums: MetricSums): Promise<void> {
    await this.#settle(sums, this.#backend.memory ? stepsAhead : 0);
  }

  /** The same for all steps. */
  async settle(sums: MetricSums): Promise<void> {
    await this.#settle(sums, 0);
  }

  async #settle(sums: MetricSums, but: number): Promise<void> {
    while (this.#underway.length > but) {
      const { step, values, counts } = this.#underway[0]!;
      const [loss, correct, lengthLoss, norm] = await values;
      this.#underway.shift();
      expectFinite(loss!, 'loss', step);
      expectFinite(lengthLoss!, 'length loss', step);
      expectFinite(norm!, 'gradient norm', step);
      sums.loss += loss!;
      sums.correct += correct!;
      sums.length_loss += lengthLoss!;
      sums.weight += counts.weight;
      sums.length_weight += counts.lengthWeight;
      sums.targets += counts.targets;
      sums.gradient_norm += norm!;
      sums.steps += 1;
    }
  }

  /** After a run went back: its later steps are no part of it any more. */
  forget(): void {
    this.#underway.length = 0;
  }
}
