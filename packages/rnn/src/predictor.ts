import { type JobSpec, UnfoldError } from '@unfold/contracts';
import type { Backend } from '@unfold/kernels';
import type { HostBatch } from './data/feed.ts';
import type { DataRecord } from './data/records/data-record.ts';
import { denormalize } from './data/records/normalization.ts';
import type { RecordEncoding, VectorEncoding } from './data/records/record-encoding.ts';
import { encodeRecord } from './data/records/record-writer.ts';
import { ForwardPass } from './model/forward-pass.ts';
import { type Network, releaseNetwork } from './model/network.ts';
import { createState, releaseState } from './model/recurrent-state.ts';
import { BatchTensors } from './training/batch-tensors.ts';
import type { WeightLimits } from './weights/inspect.ts';
import { loadNetwork } from './weights/load-network.ts';

/** A text, tokens that stand for themselves, or vectors: what the records that the model was trained on have as their input. */
export type PredictionInput = string | readonly string[] | readonly (readonly number[])[];

/** By task: of a classification, of a labeling with tokens, or with vectors. */
export type Prediction =
  | { label: string; probabilities: Record<string, number> }
  | { tags: string[] }
  | { values: number[][] };

const refuse = (expected: string): never => {
  throw new UnfoldError('invalid_value', `Expected ${expected} for input.`, { param: 'input' });
};

const isList = <T>(
  value: PredictionInput,
  of: (each: unknown) => each is T,
): value is readonly never[] & T[] => Array.isArray(value) && value.length > 0 && value.every(of);

const isText = (value: unknown): value is string => typeof value === 'string';

/** The input as a record of the model's data has it. */
const recordOf = ({ input }: RecordEncoding, value: PredictionInput): DataRecord['input'] => {
  switch (input.kind) {
    case 'text':
      return isText(value) && value !== ''
        ? { kind: 'text', text: value }
        : refuse('a text that is not empty');
    case 'tokens':
      return isList(value, isText)
        ? { kind: 'tokens', tokens: value }
        : refuse('a list of tokens (texts) that is not empty');
    case 'vectors': {
      const { width } = input;
      const isVector = (each: unknown): each is number[] =>
        Array.isArray(each) && each.length === width && each.every(Number.isFinite);
      if (!isList(value, isVector)) return refuse(`a list of vectors of ${width} numbers that is not empty`);
      const values = Float64Array.from((value as number[][]).flat());
      return { kind: 'vectors', steps: value.length, width, values, present: null };
    }
  }
};

/** A trained network that answers for one sequence: its label, its tags, or its values. */
export class Predictor {
  readonly spec: JobSpec;
  readonly parameters: number;
  readonly #network: Network;
  readonly #encoding: RecordEncoding;

  private constructor(spec: JobSpec, network: Network, encoding: RecordEncoding, parameters: number) {
    this.spec = spec;
    this.parameters = parameters;
    this.#network = network;
    this.#encoding = encoding;
  }

  /**
   * Loads an export or a checkpoint of a classification or a labeling.
   * @throws UnfoldError `invalid_weights`
   */
  static async load(weights: Uint8Array, backend: Backend, limits: WeightLimits = {}): Promise<Predictor> {
    const { described, network } = loadNetwork(weights, backend, limits);
    return new Predictor(described.spec, network, described.encoding, described.parameters);
  }

  /** @throws UnfoldError `invalid_value` for an input of another kind than the model's */
  async predict(value: PredictionInput): Promise<Prediction> {
    const { backend, shape } = this.#network;
    const input = recordOf(this.#encoding, value);
    const { steps, parts } = encodeRecord(
      { line: 1, input, output: null, context: null },
      { ...this.#encoding, output: null, context: null },
      'file',
    );
    const ends = shape.outputAt === 'end';
    const outputs = ends ? 1 : steps;
    const batch: HostBatch = {
      steps,
      lengths: null,
      sequences: null,
      inputs: parts[0]!,
      targets:
        shape.loss === 'softmax'
          ? new Int32Array(outputs).fill(-1)
          : new Float32Array(outputs * shape.output.size),
      mask: shape.loss === 'softmax' ? null : new Int32Array(outputs),
      count: 1,
      context: null,
      tokens: steps,
    };
    const tensors = new BatchTensors(this.#network, { longest: steps, sequences: 1, continues: true });
    const pass = new ForwardPass(this.#network, steps, 1);
    const state = createState(this.#network, 1);
    const V = shape.output.size;
    const rows = backend.createTensor(ends ? [1, V] : [steps, 1, V]);
    try {
      const loaded = tensors.load(batch);
      pass.begin(state);
      pass.logits(pass.hidden(loaded, state), rows);
      if (shape.loss === 'softmax') backend.softmax({ logits: rows, output: rows });
      const values = await backend.download(rows);
      return this.#answer(values as Float32Array | Float64Array, outputs);
    } finally {
      tensors.release();
      pass.release();
      releaseState(backend, state);
      backend.release(rows);
    }
  }

  #answer(values: Float32Array | Float64Array, outputs: number): Prediction {
    const { output } = this.#encoding;
    const V = values.length / outputs;
    const rows = Array.from({ length: outputs }, (_, t) => values.subarray(t * V, (t + 1) * V));
    if (output!.kind === 'vectors') {
      const { normalization } = output as VectorEncoding;
      const sigmoid = this.#network.shape.loss === 'bernoulli';
      return {
        values: rows.map((row) =>
          sigmoid ? Array.from(row, (x) => 1 / (1 + Math.exp(-x))) : denormalize(row, normalization),
        ),
      };
    }
    const names = output!.list.tokens;
    const best = rows.map((row) => row.indexOf(Math.max(...row)));
    if (output!.kind === 'tokens') return { tags: best.map((k) => names[k]!) };
    const probabilities = Object.fromEntries(names.map((name, k) => [name, rows[0]![k]!]));
    return { label: names[best[0]!]!, probabilities };
  }

  /** Frees the backend's memory; the model must not be used again. */
  close(): void {
    releaseNetwork(this.#network);
  }
}
