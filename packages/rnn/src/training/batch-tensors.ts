import type { Tensor } from '@unfold/kernels';
import type { Feed, HostBatch } from '../data/feed.ts';
import type { HeadTargets } from '../model/head.ts';
import type { Network } from '../model/network.ts';
import type { Port } from '../model/network-shape.ts';
import { countdownInputs } from '../model/parameter-table.ts';
import type { PassBatch } from '../model/pass-batch.ts';

/** A batch on the backend, and which sequences its rows are. */
export interface DeviceBatch extends PassBatch {
  /** int [N] for random masks; null: row n is sequence n. */
  sequences: Tensor | null;
}

/** Outputs of the step before, −1 or zeros where there was none: what teacher forcing feeds. */
const shifted = (targets: HostBatch['targets'], perStep: number): HostBatch['targets'] => {
  const before = targets.slice();
  const first = targets instanceof Int32Array ? -1 : 0;
  before.copyWithin(perStep, 0);
  before.fill(first, 0, perStep);
  return before;
};

/** Room on the backend for a feed's batches. */
export class BatchTensors {
  readonly #network: Network;
  readonly #made: Tensor[] = [];
  readonly #inputs: Tensor;
  readonly #targets: Tensor;
  readonly #mask: Tensor | null;
  readonly #feedback: Tensor | null;
  readonly #context: Tensor | null;
  readonly #countdown: Tensor | null;
  readonly #ending: Tensor | null;
  readonly #endingMask: Tensor | null;
  readonly #sequences: Tensor | null;

  constructor(
    network: Network,
    { longest: T, sequences: N, continues }: Pick<Feed, 'longest' | 'sequences' | 'continues'>,
  ) {
    const { backend, shape, model } = network;
    const keep = (tensor: Tensor): Tensor => {
      this.#made.push(tensor);
      return tensor;
    };
    const place = (port: Port, lead: number[]): Tensor =>
      keep(
        port.kind === 'tokens'
          ? backend.createTensor(lead, 'int')
          : backend.createTensor([...lead, port.size]),
      );
    this.#network = network;
    this.#inputs = place(shape.input, [T, N]);
    this.#targets = place(shape.output, shape.outputAt === 'end' ? [N] : [T, N]);
    this.#mask = shape.loss === 'softmax' ? null : keep(backend.createTensor([T, N], 'int'));
    this.#feedback = shape.feedback && place(shape.feedback, [T, N]);
    this.#context = shape.context && place(shape.context, [N]);
    this.#countdown =
      model.length === 'countdown' ? keep(backend.createTensor([T, N, countdownInputs])) : null;
    this.#ending =
      model.length === 'eos'
        ? null
        : keep(
            model.length === 'countdown'
              ? backend.createTensor([T, N], 'int')
              : backend.createTensor([T, N, 1]),
          );
    this.#endingMask = model.length === 'bernoulli' ? keep(backend.createTensor([T, N], 'int')) : null;
    this.#sequences = continues ? null : keep(backend.createTensor([N], 'int'));
  }

  #fill(tensor: Tensor, values: Int32Array | Float32Array, steps: number): Tensor {
    const { backend } = this.#network;
    const part = backend.view(tensor, 0, steps);
    const real = part.type === 'real' && backend.describe().precision === 'float64';
    backend.upload(part, real ? Float64Array.from(values) : values);
    return part;
  }

  /** @param starts whether the sequences begin with this batch; else it goes on where the one before it ended */
  load(batch: HostBatch, starts = true): DeviceBatch {
    const { shape } = this.#network;
    const { steps, lengths, context, sequences } = batch;
    const N = this.#inputs.shape[1]!;
    const end = shape.outputAt === 'end';
    return {
      steps,
      lengths,
      count: batch.count,
      inputs: this.#fill(this.#inputs, batch.inputs, steps),
      targets: this.#fill(this.#targets, batch.targets, end ? N : steps),
      labels: end ? (batch.targets as Int32Array) : null,
      mask: this.#mask && this.#fill(this.#mask, batch.mask!, steps),
      feedback: this.#feedback && this.#fill(this.#feedback, this.#fed(batch, starts), steps),
      context: this.#context && this.#fill(this.#context, context!, N),
      countdown: this.#countdown && this.#fill(this.#countdown, this.#remaining(batch), steps),
      ending: this.#ending && this.#endings(batch),
      sequences: this.#sequences && this.#fill(this.#sequences, sequences!, N),
    };
  }

  /** Zeros where nothing was put out before. The target that a series goes on from is its first input. */
  #fed({ inputs, targets, steps }: HostBatch, starts: boolean): HostBatch['targets'] {
    if (!this.#network.shape.readsOutputs) return shifted(targets, targets.length / steps);
    return starts ? inputs.slice().fill(0, 0, inputs.length / steps) : inputs;
  }

  /** r_{t−1} as a share of the longest, and 1 where it is known: from the second step on. */
  #remaining({ steps, lengths }: HostBatch): Float32Array {
    const N = this.#inputs.shape[1]!;
    const longest = this.#network.model.max_length!;
    const values = new Float32Array(steps * N * countdownInputs);
    for (let t = 1; t < steps; t++)
      for (let n = 0; n < N; n++)
        if (t < lengths![n]!) values.set([(lengths![n]! - t) / longest, 1], (t * N + n) * countdownInputs);
    return values;
  }

  #endings({ steps, lengths }: HostBatch): HeadTargets {
    const N = this.#inputs.shape[1]!;
    const at = <T>(value: (t: number, length: number) => T): T[] =>
      Array.from({ length: steps * N }, (_, k) => value(Math.floor(k / N), lengths![k % N]!));
    const count = Math.max(
      1,
      lengths!.reduce((sum, length) => sum + length, 0),
    );
    if (this.#endingMask) {
      const halts = Float32Array.from(at((t, length) => (t === length - 1 ? 1 : 0)));
      const mask = Int32Array.from(at((t, length) => (t < length ? 1 : 0)));
      return {
        targets: this.#fill(this.#ending!, halts, steps),
        mask: this.#fill(this.#endingMask, mask, steps),
        count,
      };
    }
    const remaining = Int32Array.from(at((t, length) => (t < length ? length - 1 - t : -1)));
    return { targets: this.#fill(this.#ending!, remaining, steps), mask: null, count };
  }

  release(): void {
    this.#network.backend.release(...this.#made);
  }
}
