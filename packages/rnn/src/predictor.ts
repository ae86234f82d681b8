import { describeValue, type JobSpec, UnfoldError } from '@unfold/contracts';
import type { Backend } from '@unfold/kernels';
import type { DataRecord, Vectors } from './data/records/data-record.ts';
import { denormalize } from './data/records/normalization.ts';
import type { RecordEncoding, VectorEncoding } from './data/records/record-encoding.ts';
import { encodeRecord } from './data/records/record-writer.ts';
import { nextTurn } from './event-loop.ts';
import { forecast } from './forecast.ts';
import { beamSearch } from './generation/beam-search.ts';
import { outputsAsInputs } from './model/closed-loop.ts';
import { type MeteredBackend, meterBackend } from './model/metered-backend.ts';
import { type Network, releaseNetwork } from './model/network.ts';
import { StepwisePass } from './model/stepwise-pass.ts';
import { batchOf, type EncodedInput, groupsOf, predictGroup, type Values } from './predict-group.ts';
import { atInput, inputRecord, type PredictionInput, refuseInput } from './prediction-input.ts';
import { BatchTensors, type DeviceBatch } from './training/batch-tensors.ts';
import type { DescribedWeights, WeightLimits } from './weights/inspect.ts';
import { loadNetwork } from './weights/load-network.ts';

const always = async (): Promise<boolean> => {
  await nextTurn();
  return true;
};

/** Answers that are followed side by side unless told otherwise, and the most that can be. */
const usualBeam = 4;
const widestBeam = 64;

export interface PredictionOptions {
  /** Time steps that a forecast goes on for. Default 1. */
  steps?: number;
  /**
   * Of a labeling that is fed the tokens it answers: how many answers are followed side by side, 1 … 64, 1 being greedy. The one with the
   * highest summed log-probability wins. Default 4.
   */
  beam_width?: number;
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

  readonly #memory: MeteredBackend;

  private constructor(
    { spec, encoding, parameters }: DescribedWeights,
    network: Network,
    memory: MeteredBackend,
  ) {
    this.#memory = memory;
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
    const memory = meterBackend(backend);
    const { described, network } = loadNetwork(weights, memory.backend, limits);
    return new Predictor(described, network, memory);
  }

  /** Memory that it takes now: its parameters, and the room of what it is asked for. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /** What its inputs are. */
  get inputKind(): RecordEncoding['input']['kind'] {
    return this.#encoding.input.kind;
  }

  /**
   * Time steps that an input has.
   * @throws UnfoldError `invalid_value` for an input of another kind than the model's
   */
  stepsOf(value: PredictionInput): number {
    return this.#encode(inputRecord(this.#encoding, value)).steps;
  }

  /**
   * A forecast goes on from the series so far in closed loop: each of its values is the input of the next. They are in the units of the data;
   * of binary vectors they are probabilities, and fed back as such.
   * @throws UnfoldError `invalid_value` for an input of another kind than the model's, or for options that are out of range or
   * of no use
   */
  async predict(value: PredictionInput, options: PredictionOptions = {}): Promise<Prediction> {
    const [prediction] = await this.predictAll([value], options);
    return prediction!;
  }

  /**
   * The same for many inputs, whatever the others are: where nothing is fed back, inputs of similar lengths are read side by side.
   * @param turn awaited now and then; false once nobody waits for the answer, which then lacks what was not computed
   */
  async predictAll(
    values: readonly PredictionInput[],
    options: PredictionOptions = {},
    turn: () => Promise<boolean> = always,
  ): Promise<Prediction[]> {
    this.#expectOptions(options);
    const predictions: Prediction[] = [];
    /** An error of one input, its places those of the whole list. */
    const named = async <T>(k: number, work: () => T | Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw values.length === 1 ? error : atInput(k, error);
      }
    };
    const inputs: DataRecord['input'][] = [];
    for (const [k, value] of values.entries())
      inputs.push(await named(k, () => inputRecord(this.#encoding, value)));
    const { shape } = this.#network;
    if (this.spec.task === 'forecasting' || shape.feedback) {
      for (const [k, input] of inputs.entries()) {
        if (!(await turn())) break;
        const answer = await named(k, () => this.#one(input, options, turn));
        if (answer === null) break;
        predictions.push(answer);
      }
      return predictions;
    }
    const encoded: EncodedInput[] = [];
    for (const [k, input] of inputs.entries())
      encoded.push({ k, ...(await named(k, () => this.#encode(input))) });
    for (const group of groupsOf(this.#network, encoded)) {
      if (!(await turn())) break;
      const answers = await predictGroup(this.#network, group, turn);
      if (answers === null) break;
      for (const [n, { k }] of group.entries())
        predictions[k] = await named(k, () => this.#answer(answers[n]!));
    }
    return predictions;
  }

  /** @throws UnfoldError `invalid_value` for options that are of no use to this model */
  #expectOptions({ steps, beam_width }: PredictionOptions): void {
    const searches = this.#network.shape.feedback?.kind === 'tokens';
    if (beam_width !== undefined && !searches)
      throw new UnfoldError(
        'invalid_value',
        `beam_width is for answers that are fed back: expected nothing for this model, but received ${describeValue(beam_width)}.`,
        { param: 'beam_width' },
      );
    if (steps !== undefined && this.spec.task !== 'forecasting')
      throw new UnfoldError(
        'invalid_value',
        `steps is how long a forecast goes on: expected nothing for task "${this.spec.task}", but received ${describeValue(steps)}.`,
        { param: 'steps' },
      );
  }

  /** What is answered for one input at a time: a forecast, or what is fed back; null: nobody waits. */
  async #one(
    input: DataRecord['input'],
    { steps, beam_width }: PredictionOptions,
    turn: () => Promise<boolean>,
  ): Promise<Prediction | null> {
    if (this.spec.task !== 'forecasting') {
      const searches = this.#network.shape.feedback?.kind === 'tokens';
      return this.#answerFor(input, searches ? (beam_width ?? usualBeam) : null, turn);
    }
    const encoding = this.#encoding.input as VectorEncoding;
    const values = await forecast(this.#network, encoding, input as Vectors, steps ?? 1, turn);
    return values && { values };
  }

  #encode(input: DataRecord['input']): ReturnType<typeof encodeRecord> {
    const encoding = { ...this.#encoding, output: null, context: null };
    return encodeRecord({ line: 1, input, output: null, context: null }, encoding, 'file');
  }

  /** @param beam null: nothing is searched for */
  async #answerFor(
    input: DataRecord['input'],
    beam: number | null,
    turn: () => Promise<boolean>,
  ): Promise<Prediction | null> {
    if (beam !== null && !(Number.isInteger(beam) && beam >= 1 && beam <= widestBeam))
      throw new UnfoldError(
        'invalid_value',
        `Expected a whole number from 1 to ${widestBeam} for beam_width, but received ${describeValue(beam)}.`,
        { param: 'beam_width' },
      );
    const { steps, parts } = this.#encode(input);
    const rows = beam ?? 1;
    const tensors = new BatchTensors(this.#network, { longest: steps, sequences: rows, continues: true });
    try {
      const batch = tensors.load(batchOf(this.#network, new Array(rows).fill(parts[0]!), steps, null));
      if (beam !== null) {
        const found = await beamSearch(this.#network, batch, beam, turn);
        return found && { tags: found.tokens.map((token) => this.#names[token]!) };
      }
      const values = await this.#stepByStep(batch, turn);
      return values && this.#answer(values);
    } finally {
      tensors.release();
    }
  }

  /** What a network says that is fed the numbers that it says, of each step; null: nobody waits. */
  async #stepByStep(batch: DeviceBatch, turn: () => Promise<boolean>): Promise<Values | null> {
    const { backend, shape } = this.#network;
    const pass = new StepwisePass(this.#network, 1);
    const rows = backend.createTensor([batch.steps, 1, shape.output.size]);
    try {
      pass.begin(batch);
      for (let t = 0; t < batch.steps; t++) {
        pass.step(batch, t);
        backend.copy({ source: pass.outputs, target: backend.view(rows, t, 1) });
        if (t + 1 < batch.steps) pass.feed(backend.view(batch.feedback!, t + 1, 1));
        if (!(await turn())) return null;
      }
      return (await backend.download(rows)) as Values;
    } finally {
      pass.release();
      backend.release(rows);
    }
  }

  /** Names of the tokens or labels that are chosen from. */
  get #names(): readonly string[] {
    const { output } = this.#encoding;
    return output && output.kind !== 'vectors' ? output.list.tokens : [];
  }

  #answer(values: Values): Prediction {
    const { output } = this.#encoding;
    const V = this.#network.shape.output.size;
    // As large as single precision allows, inputs overflow in their products.
    if (!values.every(Number.isFinite))
      return refuseInput('numbers that the network can compute with', 'some that lead to no finite answer');
    const rows = Array.from({ length: values.length / V }, (_, t) => values.subarray(t * V, (t + 1) * V));
    if (output!.kind === 'vectors') {
      const { normalization } = output as VectorEncoding;
      return { values: rows.map((row) => denormalize(outputsAsInputs(row, this.#network), normalization)) };
    }
    const names = this.#names;
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
