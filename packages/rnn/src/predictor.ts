import type { JobSpec } from '@unfold/contracts';
import { describeValue, specLimits, UnfoldError } from '@unfold/contracts/values';
import type { Backend } from '@unfold/kernels';
import type { DataRecord, Vectors } from './data/records/data-record.ts';
import { denormalize } from './data/records/normalization.ts';
import type { RecordEncoding, VectorEncoding } from './data/records/record-encoding.ts';
import { encodeRecord } from './data/records/record-writer.ts';
import { nextTurn } from './event-loop.ts';
import { outputsAsInputs } from './model/closed-loop.ts';
import { type MeteredBackend, meterBackend } from './model/metered-backend.ts';
import { type Network, releaseNetwork } from './model/network.ts';
import type { StateValues } from './model/recurrent-state.ts';
import { AnswerRow } from './prediction/answer-row.ts';
import { ForecastRow } from './prediction/forecast-row.ts';
import { type PredictionRow, PredictionWork } from './prediction/prediction-work.ts';
import { SearchRow } from './prediction/search-row.ts';
import { atInput, inputRecord, type PredictionInput, refuseInput } from './prediction-input.ts';
import { RowCall } from './rows/row-call.ts';
import { RowQueue } from './rows/row-queue.ts';
import type { DescribedWeights, WeightLimits } from './weights/inspect.ts';
import { loadNetwork } from './weights/load-network.ts';

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
  readonly #queue: RowQueue<PredictionRow>;

  private constructor(
    { spec, encoding, parameters }: DescribedWeights,
    network: Network,
    memory: MeteredBackend,
  ) {
    this.#memory = memory;
    this.spec = spec;
    this.parameters = parameters;
    this.#network = network;
    this.#queue = new RowQueue(new PredictionWork(network));
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
   * The same for many inputs, whatever the others are: those of all calls are read side by side.
   * @param signal once it aborts, nobody waits for the answer, which then lacks what was not computed
   */
  async predictAll(
    values: readonly PredictionInput[],
    options: PredictionOptions = {},
    signal?: AbortSignal,
  ): Promise<Prediction[]> {
    this.#expectOptions(options);
    const owner = new RowCall(values.length, signal);
    const predictions: Prediction[] = [];
    const rows: PredictionRow[] = [];
    for (const [k, value] of values.entries()) {
      await nextTurn();
      if (owner.over) break;
      const place = values.length === 1 ? null : k;
      try {
        const answer = (prediction: Prediction): void => {
          predictions[k] = prediction;
        };
        rows.push(this.#rowFor(value, options, { owner, place }, answer));
      } catch (error) {
        throw place === null ? error : atInput(place, error);
      }
    }
    // Inputs of similar lengths are read side by side, the longest first.
    this.#queue.add(rows.sort((a, b) => b.rows()[0]!.ahead - a.rows()[0]!.ahead));
    await owner.result;
    return predictions;
  }

  /** @throws UnfoldError `invalid_value` for options that are of no use to this model, or out of range */
  #expectOptions({ steps, beam_width }: PredictionOptions): void {
    const expect = (name: string, value: number | undefined, most: number): void => {
      if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= most)) return;
      throw new UnfoldError(
        'invalid_value',
        `Expected a whole number from 1 to ${most} for ${name}, but received ${describeValue(value)}.`,
        { param: name },
      );
    };
    if (beam_width !== undefined && !this.#searches)
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
    expect('beam_width', beam_width, widestBeam);
    expect('steps', steps, specLimits.sequence_length);
  }

  /** Whether it is fed the tokens that it answers. */
  get #searches(): boolean {
    return this.#network.shape.feedback?.kind === 'tokens';
  }

  /** @throws UnfoldError `invalid_value` */
  #rowFor(
    value: PredictionInput,
    { steps = 1, beam_width = usualBeam }: PredictionOptions,
    call: Pick<PredictionRow, 'owner' | 'place'>,
    answer: (prediction: Prediction) => void,
  ): PredictionRow {
    const network = this.#network;
    const record = inputRecord(this.#encoding, value);
    if (this.spec.task === 'forecasting') {
      const encoding = this.#encoding.input as VectorEncoding;
      const request = { ...call, encoding, history: record as Vectors, steps };
      return new ForecastRow(network, request, (values) => answer({ values }));
    }
    const { steps: length, parts } = this.#encode(record);
    const request = { ...call, inputs: parts[0]!, steps: length };
    if (this.#searches)
      return new SearchRow(request, beam_width, (tokens) =>
        answer({ tags: tokens.map((token) => this.#names[token]!) }),
      );
    return new AnswerRow(network, request, (outputs) => answer(this.#answer(outputs)));
  }

  #encode(input: DataRecord['input']): ReturnType<typeof encodeRecord> {
    const encoding = { ...this.#encoding, output: null, context: null };
    return encodeRecord({ line: 1, input, output: null, context: null }, encoding, 'file');
  }

  /** Names of the tokens or labels that are chosen from. */
  get #names(): readonly string[] {
    const { output } = this.#encoding;
    return output && output.kind !== 'vectors' ? output.list.tokens : [];
  }

  #answer(values: StateValues): Prediction {
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

  /** Frees the backend's memory once what runs has ended; the model must not be used again. */
  async close(): Promise<void> {
    await this.#queue.close();
    releaseNetwork(this.#network);
  }
}
