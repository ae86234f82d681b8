import { createRandomStream, randomPurposes, type Tensor } from '@unfold/kernels';
import { type BatchPlan, windowSteps } from '../data/batch-plan.ts';
import { BatchReader } from '../data/batch-reader.ts';
import type { TokenFile } from '../data/token-file.ts';
import { nextTurn } from '../event-loop.ts';
import { sampleToken } from '../generation/sampler.ts';
import { ForwardPass } from '../model/forward-pass.ts';
import type { Network } from '../model/network.ts';
import { createState, type RecurrentState, releaseState } from '../model/recurrent-state.ts';

/** True tokens that warm the state. */
export const warmUp = 16;
/** Shorter windows are widened to this, so that something is left beyond the warm-up. */
const shortestWindow = 2 * warmUp;
/** Time steps of one evaluation, all windows together. They run one after the other, whatever the text's length. */
const mostSteps = 128;
/** Logits of one time step, which bounds the lanes of a large vocabulary. */
const mostLogits = 1 << 18;

/** Layer word of the stream, which tells its draws from those of the samples of an evaluation. */
export const freeRunningStream = 1;

/** Losses over the same positions, in nats per token. */
export interface FreeRunningLoss {
  /** The model read its own samples, or was fed its own answers. */
  free: number;
  /** It read the text, or was fed the targets. */
  forced: number;
  /** Share of right answers when it was fed its own; null: not measured. */
  accuracy: number | null;
}

/** The windows that are run, spread over the validation part; null if it is too short for any. */
const planWindows = (
  validation: BatchPlan,
  vocabularySize: number,
): { plan: BatchPlan; steps: number; windows: number[] } | null => {
  const sequenceLength =
    validation.sequenceLength > warmUp
      ? validation.sequenceLength
      : Math.min(shortestWindow, validation.laneSteps);
  const whole = Math.floor(validation.laneSteps / sequenceLength);
  const plan: BatchPlan = {
    ...validation,
    lanes: Math.min(validation.lanes, Math.max(1, Math.floor(mostLogits / vocabularySize))),
    sequenceLength,
    windows: Math.max(1, whole),
  };
  const steps = Math.min(mostSteps, windowSteps(plan, 0));
  if (steps < 2) return null;
  const count = Math.min(plan.windows, Math.max(1, Math.floor(mostSteps / steps)));
  const windows = Array.from({ length: count }, (_, k) => Math.floor((k * plan.windows) / count));
  return { plan, steps, windows };
};

/**
 * How much worse a model predicts once it reads what it wrote itself (Bengio et al. 2015 call it a discrepancy between training and
 * inference). In windows of the validation part 16 true tokens (half of a shorter window) warm a zero state; then the model is fed samples of its
 * own, at temperature 1 and always from the same stream, while its loss is still that of the true tokens. The lanes run side by side.
 */
export class FreeRunning {
  readonly #network: Network;
  readonly #reader: BatchReader;
  readonly #steps: number;
  readonly #windows: number[];
  readonly #random: { seed: number; unknown: number | null };
  readonly #pass: ForwardPass;
  readonly #state: RecurrentState;
  readonly #inputs: Tensor;
  readonly #targets: Tensor;
  readonly #logits: Tensor;
  readonly #free: Tensor;
  readonly #forced: Tensor;
  readonly #hostInputs: Int32Array;
  readonly #hostTargets: Int32Array;

  /** Null if the validation part is too short. */
  static over(network: Network, file: TokenFile, validation: BatchPlan, seed: number): FreeRunning | null {
    const planned = planWindows(validation, network.vocabularySize);
    return planned && new FreeRunning(network, file, planned, seed);
  }

  private constructor(
    network: Network,
    file: TokenFile,
    { plan, steps, windows }: NonNullable<ReturnType<typeof planWindows>>,
    seed: number,
  ) {
    const { backend, vocabularySize } = network;
    this.#network = network;
    this.#reader = new BatchReader(file, plan);
    this.#steps = steps;
    this.#windows = windows;
    this.#random = { seed, unknown: file.tokenizer.unknown };
    this.#pass = new ForwardPass(network, steps, plan.lanes);
    this.#state = createState(network, plan.lanes);
    this.#inputs = backend.createTensor([steps, plan.lanes], 'int');
    this.#targets = backend.createTensor([steps, plan.lanes], 'int');
    this.#logits = backend.createTensor([1, plan.lanes, vocabularySize]);
    this.#free = backend.createTensor([1], 'double');
    this.#forced = backend.createTensor([1], 'double');
    this.#hostInputs = new Int32Array(plan.sequenceLength * plan.lanes);
    this.#hostTargets = new Int32Array(plan.sequenceLength * plan.lanes);
  }

  /** @param interrupted asked before every time step; the answer is null once it says true */
  async run(interrupted: () => Promise<boolean>): Promise<FreeRunningLoss | null> {
    const { backend } = this.#network;
    backend.zero(this.#free, this.#forced);
    for (const window of this.#windows) if (!(await this.#runWindow(window, interrupted))) return null;
    const [free, forced] = await Promise.all([backend.download(this.#free), backend.download(this.#forced)]);
    return { free: free[0]!, forced: forced[0]!, accuracy: null };
  }

  async #runWindow(window: number, interrupted: () => Promise<boolean>): Promise<boolean> {
    const { backend } = this.#network;
    const { lanes } = this.#reader.plan;
    const warm = Math.min(warmUp, Math.floor(this.#steps / 2));
    const count = this.#windows.length * lanes * (this.#steps - warm);
    const read = this.#steps * lanes;
    this.#reader.load(window, this.#hostInputs, this.#hostTargets);
    this.#hostTargets.fill(-1, 0, warm * lanes);
    backend.upload(this.#inputs, this.#hostInputs.subarray(0, read));
    backend.upload(this.#targets, this.#hostTargets.subarray(0, read));

    this.#pass.begin(this.#state);
    const hidden = this.#pass.hidden({ inputs: this.#inputs }, this.#state);
    this.#pass.losses(
      hidden,
      { targets: this.#targets, mask: null, count },
      { loss: this.#forced, correct: null, losses: null },
    );

    this.#pass.begin(this.#state);
    const warmed = this.#pass.hidden({ inputs: backend.view(this.#inputs, 0, warm) }, this.#state);
    this.#pass.logits(backend.view(warmed, warm - 1, 1), this.#logits);
    for (let t = warm; t < this.#steps; t++) {
      if (await interrupted()) return false;
      await this.#feedSamples(window, t);
      const inputs = backend.view(this.#inputs, t, 1);
      this.#pass.logits(this.#pass.hidden({ inputs, firstStep: t }, this.#state), this.#logits);
      backend.softmaxCrossEntropy({
        logits: this.#logits,
        targets: backend.view(this.#targets, t, 1),
        count,
        loss: this.#free,
        accumulate: true,
        losses: null,
        dLogits: null,
      });
      await nextTurn();
    }
    return true;
  }

  /** Draws the input of time step t from the logits of the step before. */
  async #feedSamples(window: number, t: number): Promise<void> {
    const { backend, vocabularySize } = this.#network;
    const { lanes } = this.#reader.plan;
    const { seed, unknown } = this.#random;
    const logits = await backend.download(this.#logits);
    const tokens = new Int32Array(lanes);
    for (let lane = 0; lane < lanes; lane++) {
      const row = logits.subarray(lane * vocabularySize, (lane + 1) * vocabularySize);
      const address = { seed, purpose: randomPurposes.evaluation, layer: freeRunningStream };
      const random = createRandomStream({ ...address, step: window, sequence: lane, t });
      tokens[lane] = sampleToken(row, ancestral, random.uniform(), unknown).token;
    }
    backend.upload(backend.view(this.#inputs, t, 1), tokens);
  }

  release(): void {
    const { backend } = this.#network;
    this.#reader.close();
    this.#pass.release();
    releaseState(backend, this.#state);
    backend.release(this.#inputs, this.#targets, this.#logits, this.#free, this.#forced);
  }
}

export const ancestral = { temperature: 1, top_k: null, top_p: 1 } as const;
