import { describeValue, type JobSpec, UnfoldError } from '@unfold/contracts';
import type { Backend } from '@unfold/kernels';
import type { HostBatch } from './data/feed.ts';
import type { DataRecord, Vectors } from './data/records/data-record.ts';
import { denormalize } from './data/records/normalization.ts';
import type { RecordEncoding, VectorEncoding } from './data/records/record-encoding.ts';
import { encodeRecord } from './data/records/record-writer.ts';
import { forecast } from './forecast.ts';
import { outputsAsInputs } from './model/closed-loop.ts';
import { ForwardPass } from './model/forward-pass.ts';
import { type Network, releaseNetwork } from './model/network.ts';
import { createState, releaseState } from './model/recurrent-state.ts';
import { inputRecord, type PredictionInput } from './prediction-input.ts';
import { BatchTensors } from './training/batch-tensors.ts';
import type { WeightLimits } from './weights/inspect.ts';
import { loadNetwork } from './weights/load-network.ts';

export interface PredictionOptions {
  /** Time steps that a forecast goes on for. Default 1. */
  steps?: number;
}

/** By task: of a classification, of a labeling with tokens, or of a labeling with vectors and of a forecast. */
export type Prediction =
  | { label: string; probabilities: Record<string, number> }
  | { tags: string[] }
  | { values: number[][] };

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
   * Loads an export or a checkpoint of a classification, a labeling or a forecast.
   * @throws UnfoldError `invalid_weights`
   */
  static async load(weights: Uint8Array, backend: Backend, limits: WeightLimits = {}): Promise<Predictor> {
    const { described, network } = loadNetwork(weights, backend, limits);
    return new Predictor(described.spec, network, described.encoding, described.parameters);
  }

  /**
   * A forecast goes on from the series so far in closed loop: each of its values is the input of the next. They are in the units of the data;
   * of binary vectors they are probabilities, and fed back as such.
   * @throws UnfoldError `invalid_value` for an input of another kind than the model's, or for `steps` that are out of range or of no
   * use
   */
  async predict(value: PredictionInput, { steps }: PredictionOptions = {}): Promise<Prediction> {
    const input = inputRecord(this.#encoding, value);
    if (this.spec.task === 'forecasting')
      return {
        values: await forecast(
          this.#network,
          this.#encoding.input as VectorEncoding,
          input as Vectors,
          steps ?? 1,
        ),
      };
    if (steps !== undefined)
      throw new UnfoldError(
        'invalid_value',
        `steps is how long a forecast goes on: expected nothing for task "${this.spec.task}", but received ${describeValue(steps)}.`,
        { param: 'steps' },
      );
    return this.#answerFor(input);
  }

  async #answerFor(input: DataRecord['input']): Promise<Prediction> {
    const { backend, shape } = this.#network;
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
      return { values: rows.map((row) => denormalize(outputsAsInputs(row, this.#network), normalization)) };
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
