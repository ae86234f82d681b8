import { describeValue, UnfoldError } from '@unfold/contracts';
import type { Tensor } from '@unfold/kernels';
import { joinIds } from '../data/records/batch-layout.ts';
import type { Network } from '../model/network.ts';
import { countdownInputs } from '../model/parameter-table.ts';
import { realArray, type StateValues } from '../model/recurrent-state.ts';
import { type Chunk, ChunkReader, turnTokens } from '../rows/chunk-reader.ts';
import { RowCall } from '../rows/row-call.ts';
import { RowQueue, type RowWork } from '../rows/row-queue.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { encodeInTurns } from './prompt-ids.ts';
import { countdownOf } from './remaining-length.ts';
import { cleanText } from './text-stream.ts';

/** Units that are answered for unless told otherwise. */
const usualUnits = 16;

export interface ActivationOptions {
  /** Only units of this layer, 0 being the lowest; absent: of all layers. */
  layer?: number;
  /** Which units, by name, `layer.unit`; absent: those that vary most over the text. */
  units?: readonly string[];
  /** How many of those that vary most. Default 16. */
  limit?: number;
  /** Most tokens that are read. Default: any number. */
  longest?: number;
}

export interface UnitActivations {
  /** `layer.unit`, both counted from 0. */
  name: string;
  layer: number;
  unit: number;
  /** Over the text; the deviation is that of a population. */
  mean: number;
  deviation: number;
  /** After each of the tokens was read. */
  values: StateValues;
}

export interface Activations {
  /** What was read, `<s>` where that begins a sequence included. */
  tokens: string[];
  /** How many units each layer has. */
  layers: number[];
  /** In the order that was asked for, or the one that varies most first. */
  units: UnitActivations[];
}

/** A text that is read from its beginning to its end. */
interface WatchedText {
  readonly owner: RowCall;
  readonly inputs: Int32Array;
  readonly countdown: Float32Array | null;
  readonly context: Int32Array | Float32Array | null;
  /** Layers that are heard. */
  readonly layers: ReadonlySet<number>;
  /** Told of the units of a layer after step t, in memory that is used again. */
  hear(layer: number, t: number, values: StateValues): void;
  read: number;
  state: StateValues | null;
}

/** Texts that are read at once. */
const largestGroup = 4;

class ActivationWork implements RowWork<WatchedText> {
  readonly #network: Network;
  readonly #reader: ChunkReader;

  constructor(network: Network) {
    this.#network = network;
    this.#reader = new ChunkReader(network, true);
  }

  joins(group: readonly WatchedText[], text: WatchedText): boolean {
    return group.length < largestGroup && (!this.#reader.sameSteps || text.read === group[0]!.read);
  }

  async advance(group: readonly WatchedText[]): Promise<WatchedText[]> {
    const left = ({ inputs, read }: WatchedText): number => inputs.length - read;
    const texts = [...group].sort((a, b) => left(b) - left(a));
    const rows = texts.map((text) => ({
      state: text.state,
      position: text.read,
      ahead: left(text),
      inputs: text.inputs.subarray(text.read),
      feedback: null,
      countdown: text.countdown?.subarray(text.read * countdownInputs) ?? null,
      ...(text.state && { memory: text.state }),
      context: text.context,
    }));
    const tokens = turnTokens(this.#network, rows.length);
    const chunks = await this.#reader.read(rows, tokens, (chunk) => this.#hear(texts, chunk));
    texts.forEach((text, n) => {
      text.read += chunks[n]!.steps;
      text.state = chunks[n]!.state;
      if (left(text) === 0) text.owner.done();
    });
    return group.filter((text) => left(text) > 0);
  }

  async #hear(texts: readonly WatchedText[], { pass, steps, rows, lengths }: Chunk): Promise<void> {
    for (const [layer, tensor] of pass.layers(steps).entries()) {
      if (!texts.some(({ layers }) => layers.has(layer))) continue;
      const width = tensor.shape[2]!;
      const values = await this.#download(tensor);
      for (const [n, text] of texts.entries()) {
        if (!text.layers.has(layer)) continue;
        for (let t = 0; t < lengths[n]!; t++) {
          const first = (t * rows + n) * width;
          text.hear(layer, text.read + t, values.subarray(first, first + width));
        }
      }
    }
  }

  async #download(tensor: Tensor): Promise<StateValues> {
    return (await this.#network.backend.download(tensor)) as StateValues;
  }

  release(): void {
    this.#reader.release();
  }
}

export type ActivationQueue = RowQueue<WatchedText>;

/** Where the texts of all calls are read. */
export const createActivationQueue = (network: Network): ActivationQueue =>
  new RowQueue(new ActivationWork(network));

interface Unit {
  layer: number;
  unit: number;
}

const refuse = (param: string, expected: string, received: unknown): never => {
  throw new UnfoldError(
    'invalid_value',
    `${param}: expected ${expected}, but received ${describeValue(received)}.`,
    { param },
  );
};

/** @throws UnfoldError `invalid_value` if the network has no such unit */
const unitOf = (name: string, layers: readonly number[]): Unit => {
  const [, layer, unit] = /^(\d{1,9})\.(\d{1,9})$/.exec(name) ?? [];
  const width = layers[Number(layer)] ?? 0;
  return layer !== undefined && Number(unit) < width
    ? { layer: Number(layer), unit: Number(unit) }
    : refuse(
        'units',
        `names of units such as "0.${layers[0]! - 1}", of ${layers.length} layers with ${layers[0]} units each`,
        name,
      );
};

/** Mean and deviation of each unit of a layer over a text, by Welford's recurrence. */
class Moments {
  readonly means: Float64Array;
  readonly #squares: Float64Array;
  #steps = 0;

  constructor(units: number) {
    this.means = new Float64Array(units);
    this.#squares = new Float64Array(units);
  }

  push(values: StateValues): void {
    this.#steps++;
    for (let unit = 0; unit < values.length; unit++) {
      const off = values[unit]! - this.means[unit]!;
      this.means[unit]! += off / this.#steps;
      this.#squares[unit]! += off * (values[unit]! - this.means[unit]!);
    }
  }

  deviation(unit: number): number {
    return Math.sqrt(this.#squares[unit]! / this.#steps);
  }
}

/** A text as the network reads it, as often as wanted. */
interface Reading {
  inputs: Int32Array;
  read(layers: ReadonlySet<number>, hear: WatchedText['hear']): Promise<void>;
}

const prepare = async (
  queue: ActivationQueue,
  { model }: Network,
  tokenizer: Tokenizer,
  { text, context, longest = Number.POSITIVE_INFINITY }: ActivationRequest,
  signal: AbortSignal | undefined,
): Promise<Reading> => {
  const ids = await encodeInTurns(tokenizer, text);
  const countsDown = model.length === 'countdown';
  const most = countsDown ? Math.min(longest, model.max_length!) : longest;
  if (ids.length === 0 || ids.length > most)
    throw new UnfoldError(
      'invalid_value',
      `input: expected ${Number.isFinite(most) ? `1 to ${most} tokens` : 'at least 1 token'}, but received ${ids.length}.`,
      { param: 'input' },
    );
  const inputs = tokenizer.boundary === null ? ids : joinIds([tokenizer.boundary], ids);
  const countdown = countsDown ? countdownOf(inputs.length, ids.length, model.max_length!) : null;
  return {
    inputs,
    async read(layers, hear) {
      const owner = new RowCall(1, signal);
      if (owner.over) return;
      queue.add([{ owner, inputs, countdown, context, layers, hear, read: 0, state: null }]);
      await owner.result;
    },
  };
};

/** The units that vary most, the first of them most. */
const mostVaried = async (
  { read }: Reading,
  widths: readonly number[],
  wanted: ReadonlySet<number>,
  limit: number,
): Promise<Unit[]> => {
  const moments = widths.map((width) => new Moments(width));
  await read(wanted, (layer, _, values) => moments[layer]!.push(values));
  return [...wanted]
    .flatMap((layer) => Array.from({ length: widths[layer]! }, (_, unit) => ({ layer, unit })))
    .sort((a, b) => moments[b.layer]!.deviation(b.unit) - moments[a.layer]!.deviation(a.unit))
    .slice(0, limit);
};

type ActivationRequest = ActivationOptions & { text: string; context: WatchedText['context'] };

/**
 * The hidden units' values over a text: after each token, those that generation goes on with. Unless units are named the text is read twice, to
 * find those that vary most and to note their values, so that memory does not grow with the network's units.
 * @param request `context` as the network reads it
 * @param signal once it aborts, nobody reads the answer any more, and it lacks what was not computed
 * @throws UnfoldError `invalid_value` for a text without tokens or with too many, or for a layer or unit that there is none of
 */
export const readActivations = async (
  queue: ActivationQueue,
  network: Network,
  tokenizer: Tokenizer,
  request: ActivationRequest,
  signal?: AbortSignal,
): Promise<Activations> => {
  const { num_layers, hidden_size } = network.model;
  const { layer, limit = usualUnits } = request;
  const widths = new Array<number>(num_layers).fill(hidden_size);
  if (layer !== undefined && widths[layer] === undefined)
    refuse('layer', `a layer from 0 to ${num_layers - 1}`, layer);
  const named = request.units?.map((name) => unitOf(name, widths));
  const reading = await prepare(queue, network, tokenizer, request, signal);
  const { inputs } = reading;
  const chosen =
    named ??
    (await mostVaried(reading, widths, new Set(layer === undefined ? widths.keys() : [layer]), limit));

  const Real = realArray(network.backend);
  const curves = chosen.map((unit) => ({
    ...unit,
    values: new Real(inputs.length),
    moments: new Moments(1),
  }));
  await reading.read(new Set(chosen.map((unit) => unit.layer)), (heard, t, values) => {
    for (const { layer, unit, values: curve, moments } of curves) {
      if (layer !== heard) continue;
      curve[t] = values[unit]!;
      moments.push(values.subarray(unit, unit + 1));
    }
  });
  return {
    tokens: Array.from(inputs, (id) => cleanText(tokenizer.tokens[id]!)),
    layers: widths,
    units: curves.map(({ layer, unit, values, moments }) => ({
      ...{ name: `${layer}.${unit}`, layer, unit, values },
      ...{ mean: moments.means[0]!, deviation: moments.deviation(0) },
    })),
  };
};
