import { type BatchPlan, windowSteps } from './batch-plan.ts';
import { BatchReader } from './batch-reader.ts';
import type { RecordBatch } from './records/batch-layout.ts';
import { fewestRecords, RecordBatches } from './records/record-batches.ts';
import type { RecordFile } from './records/record-file.ts';
import { SeriesWindows } from './records/series-windows.ts';
import type { RecordIndex } from './records/source.ts';
import type { TokenFile } from './token-file.ts';

/** Sequences side by side, padded in time and number: T = `steps`, N = the feed's `sequences`. */
export interface HostBatch extends Omit<RecordBatch, 'rows' | 'lengths' | 'sequences'> {
  /** [N]; null: every sequence has T steps. */
  lengths: Int32Array | null;
  /** [N], what random masks are keyed by; null: sequence n is n. */
  sequences: Int32Array | null;
  /** Time steps that are no padding. */
  tokens: number;
}

/** Where batches come from: windows of something endless, or records. Each is a pure function of (epoch, batch). */
export interface Feed {
  /** Batches of an epoch. */
  readonly batches: number;
  /** Most time steps of a batch. */
  readonly longest: number;
  /** N of every batch. */
  readonly sequences: number;
  /** Sequences of the smallest batch; the rest of its N are empty. */
  readonly fewest: number;
  /** Whether a batch goes on where the one before it ended. */
  readonly continues: boolean;
  /** Means over the batches of an epoch: outputs that have a loss, and decisions on the end of a sequence. */
  readonly perBatch: { targets: number; endings: number };
  load(epoch: number, batch: number): HostBatch;
  close(): void;
}

/** What reads windows of something endless, time-major, the targets being the steps after the inputs. */
interface Windows<Values> {
  readonly plan: BatchPlan;
  /** @returns T */
  load(window: number, inputs: Values, targets: Values): number;
  close(): void;
}

/** Windows of an endless text or series, lanes side by side. */
class WindowFeed<Values extends Int32Array | Float32Array> implements Feed {
  readonly batches: number;
  readonly longest: number;
  readonly sequences: number;
  readonly fewest: number;
  readonly continues = true;
  readonly perBatch: Feed['perBatch'];
  readonly #windows: Windows<Values>;
  readonly #width: number;
  readonly #inputs: Values;
  readonly #targets: Values;
  /** Numbers have a loss where this is 1: everywhere. */
  readonly #mask: Int32Array | null;

  /** @param width values of a time step */
  constructor(windows: Windows<Values>, Values: new (length: number) => Values, width: number) {
    const { plan } = windows;
    this.batches = plan.windows;
    this.longest = windowSteps(plan, 0);
    this.sequences = plan.lanes;
    this.fewest = plan.lanes;
    const places = this.longest * plan.lanes;
    this.perBatch = { targets: places, endings: 0 };
    this.#windows = windows;
    this.#width = width;
    this.#inputs = new Values(places * width);
    this.#targets = new Values(places * width);
    this.#mask = this.#inputs instanceof Int32Array ? null : new Int32Array(places).fill(1);
  }

  load(_epoch: number, batch: number): HostBatch {
    const steps = this.#windows.load(batch, this.#inputs, this.#targets);
    const count = steps * this.sequences;
    return {
      steps,
      lengths: null,
      sequences: null,
      inputs: this.#inputs.subarray(0, count * this.#width),
      targets: this.#targets.subarray(0, count * this.#width),
      mask: this.#mask?.subarray(0, count) ?? null,
      count,
      context: null,
      tokens: count,
    };
  }

  close(): void {
    this.#windows.close();
  }
}

/** Windows of an endless text. */
export const textFeed = (file: Pick<TokenFile, 'path' | 'width'>, plan: BatchPlan): Feed =>
  new WindowFeed(new BatchReader(file, plan), Int32Array, 1);

/**
 * Windows of an endless series.
 * @throws UnfoldError `text_too_short` for a part without a whole window, or without two steps to validate on
 */
export const seriesFeed = (
  file: RecordFile,
  part: 'training' | 'validation',
  batchSize: number,
  sequenceLength: number,
): Feed => {
  const windows = new SeriesWindows(file, part, batchSize, sequenceLength);
  return new WindowFeed(windows, Float32Array, windows.width);
};

/** The first `rows` of N columns of what has been laid out for `rows`, time-major; the rest is `padding`. */
const widen = <A extends Int32Array | Float32Array>(
  values: A,
  rows: number,
  N: number,
  steps: number,
  padding: number,
): A => {
  if (rows === N) return values;
  const width = values.length / (rows * steps);
  const Values = values.constructor as new (length: number) => A;
  const wide = new Values(steps * N * width).fill(padding) as A;
  for (let t = 0; t < steps; t++)
    wide.set(values.subarray(t * rows * width, (t + 1) * rows * width) as never, t * N * width);
  return wide;
};

/** Records in batches of similar lengths; rows that a batch lacks have a length of 0. */
export class RecordFeed implements Feed {
  readonly batches: number;
  readonly longest: number;
  readonly sequences: number;
  readonly fewest: number;
  readonly continues = false;
  readonly perBatch: Feed['perBatch'];
  readonly #records: RecordBatches;

  constructor(file: RecordFile, index: RecordIndex, options: ConstructorParameters<typeof RecordBatches>[2]) {
    this.#records = new RecordBatches(file, index, options);
    this.batches = this.#records.batches;
    // A sequence's beginning or end is one step more.
    this.longest = index.longest + 1;
    this.sequences = Math.min(options.batchSize, index.records);
    this.fewest = fewestRecords(index.records, options.batchSize);
    const ends = options.length === 'countdown' ? 0 : 1;
    this.perBatch = {
      targets: index.targets / this.batches,
      endings: (index.steps + ends * index.records) / this.batches,
    };
  }

  load(epoch: number, batch: number): HostBatch {
    const { rows, ...found } = this.#records.load(epoch, batch);
    const N = this.sequences;
    const { steps, lengths } = found;
    const perStep = found.targets.length === rows && found.mask === null && steps > 1 ? 1 : steps;
    const tokens = found.inputs instanceof Int32Array && found.targets instanceof Int32Array;
    return {
      ...found,
      tokens: lengths.reduce((sum, length) => sum + length, 0),
      lengths: widen(lengths, rows, N, 1, 0),
      sequences: widen(found.sequences, rows, N, 1, 0),
      inputs: widen(found.inputs, rows, N, steps, 0),
      targets: widen(found.targets, rows, N, perStep, tokens || found.mask === null ? -1 : 0),
      mask: found.mask && widen(found.mask, rows, N, steps, 0),
      context: found.context && widen(found.context, rows, N, 1, 0),
    };
  }

  close(): void {
    this.#records.close();
  }
}
