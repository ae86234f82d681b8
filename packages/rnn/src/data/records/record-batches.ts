import { closeSync, openSync, readSync } from 'node:fs';
import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import { createRandomStream, randomPurposes } from '@unfold/kernels';
import {
  type Entry,
  type Input,
  masked,
  nextTokens,
  nextVectors,
  pad,
  type RecordBatch,
} from './batch-layout.ts';
import { createPermutation } from './permutation.ts';
import type { RecordEncoding } from './record-encoding.ts';
import type { RecordFile } from './record-file.ts';
import { indexEntryBytes } from './record-writer.ts';
import type { RecordIndex } from './source.ts';

/** Batches that are sorted by length together; their order is shuffled. It bounds what is held of an epoch's order. */
const poolBatches = 64;

/** Records of batch k begin here: all batches of an epoch are of nearly equal size, so that none is a single row if that can be. */
const batchBorder = (records: number, batchSize: number, k: number): number =>
  Math.floor((k * records) / Math.ceil(records / batchSize));

/** Records of the smallest batch. */
export const fewestRecords = (records: number, batchSize: number): number =>
  Math.floor(records / Math.ceil(records / batchSize));

interface Options {
  batchSize: number;
  seed: number;
  /** Sort records by length within pools of batches. */
  bucketing: boolean;
  /** A new order each epoch; false: the file's order, by which an evaluation goes. */
  shuffle: boolean;
  length: JobSpec['model']['length'];
}

/**
 * Batches of a part of a record file, each a pure function of (seed, epoch, batch): nothing else need be stored to go on from any of
 * them. Memory is bounded by one pool of batches whatever the number of records.
 */
export class RecordBatches {
  /** Batches of an epoch. */
  readonly batches: number;
  readonly #encoding: RecordEncoding;
  readonly #index: RecordIndex;
  readonly #options: Options;
  readonly #values: number;
  readonly #entries: number;
  #pool: { epoch: number; pool: number; batches: Entry[][] } | null = null;

  constructor(file: RecordFile, index: RecordIndex, options: Options) {
    this.batches = Math.ceil(index.records / options.batchSize);
    this.#encoding = file.encoding;
    this.#index = index;
    this.#options = options;
    this.#values = openSync(file.path, 'r');
    this.#entries = openSync(index.path, 'r');
  }

  /** @param batch 0 … `batches` − 1 */
  load(epoch: number, batch: number): RecordBatch {
    const pool = Math.floor(batch / poolBatches);
    if (this.#pool?.epoch !== epoch || this.#pool.pool !== pool)
      this.#pool = { epoch, pool, batches: this.#makePool(epoch, pool) };
    return this.#assemble(this.#pool.batches[batch % poolBatches]!);
  }

  close(): void {
    closeSync(this.#values);
    closeSync(this.#entries);
  }

  #makePool(epoch: number, pool: number): Entry[][] {
    const { batchSize, seed, bucketing, shuffle } = this.#options;
    const { records } = this.#index;
    const border = (k: number): number =>
      batchBorder(records, batchSize, Math.min(pool * poolBatches + k, this.batches));
    const first = border(0);
    const count = border(poolBatches) - first;
    const address = { seed, purpose: randomPurposes.shuffling, step: epoch };
    const place = shuffle ? createPermutation(records, address) : (position: number) => position;
    const entries = Array.from({ length: count }, (_, k) => this.#entry(place(first + k)));
    // Equal lengths keep the order of the permutation: sorting is stable.
    if (bucketing) entries.sort((a, b) => a.length - b.length);
    const batches = Math.min(poolBatches, this.batches - pool * poolBatches);
    const cut = Array.from({ length: batches }, (_, k) =>
      entries.slice(border(k) - first, border(k + 1) - first),
    );
    if (shuffle && bucketing) {
      const random = createRandomStream({ ...address, layer: 1, sequence: pool });
      for (let k = cut.length - 1; k > 0; k--) {
        const other = random.below(k + 1);
        [cut[k], cut[other]] = [cut[other]!, cut[k]!];
      }
    }
    return cut;
  }

  #entry(record: number): Entry {
    const bytes = new Uint8Array(indexEntryBytes);
    this.#read(this.#entries, bytes, record * indexEntryBytes);
    const view = new DataView(bytes.buffer);
    return { record, offset: view.getFloat64(0, true), length: view.getUint32(8, true) };
  }

  #read(file: number, bytes: Uint8Array, from: number): void {
    for (let filled = 0; filled < bytes.length; ) {
      const read = readSync(file, bytes, filled, bytes.length - filled, from + filled);
      if (read === 0) throw new UnfoldError('data_changed', 'The record file became shorter during the run.');
      filled += read;
    }
  }

  #parts({ offset, length }: Entry): { input: Input; output: Input | null; context: Input | null } {
    const { input, output, context } = this.#encoding;
    let from = offset;
    const take = (kind: 'ids' | 'numbers', count: number): Input => {
      const values = kind === 'ids' ? new Int32Array(count) : new Float32Array(count);
      this.#read(this.#values, new Uint8Array(values.buffer), from);
      from += values.byteLength;
      return values;
    };
    const part = (encoding: RecordEncoding['input'] | RecordEncoding['output'], steps: number): Input =>
      encoding!.kind === 'vectors' ? take('numbers', steps * encoding!.width) : take('ids', steps);
    return {
      input: part(input, length),
      output: output && (output.kind === 'label' ? take('ids', 1) : part(output, length)),
      context: context && (context.kind === 'label' ? take('ids', 1) : take('numbers', context.width)),
    };
  }

  #assemble(entries: Entry[]): RecordBatch {
    const { input, output } = this.#encoding;
    const rows = entries.map((entry) => this.#parts(entry));
    const batch = {
      rows: entries.length,
      sequences: Int32Array.from(entries, ({ record }) => record),
      context: this.#contexts(rows.map(({ context }) => context)),
    };
    if (output === null)
      return input.kind === 'vectors'
        ? { ...batch, ...nextVectors(entries, rows, input.width) }
        : { ...batch, ...nextTokens(entries, rows, input, this.#options.length) };
    const lengths = Int32Array.from(entries, ({ length }) => length);
    const steps = Math.max(...lengths);
    const inputs = pad(
      rows.map((row) => row.input),
      steps,
      input.kind === 'vectors' ? input.width : 1,
      0,
    );
    const columns = rows.map((row) => row.output!);
    if (output.kind === 'label') {
      const targets = Int32Array.from(columns, ([label]) => label!);
      return { ...batch, steps, lengths, inputs, targets, mask: null, count: rows.length };
    }
    if (output.kind === 'tokens') {
      const targets = pad(columns, steps, 1, -1);
      return {
        ...batch,
        steps,
        lengths,
        inputs,
        targets,
        mask: null,
        count: targets.filter((id) => id >= 0).length,
      };
    }
    const targets = pad(columns, steps, output.width, Number.NaN) as Float32Array;
    return { ...batch, steps, lengths, inputs, ...masked(targets, output.width) };
  }

  #contexts(contexts: (Input | null)[]): Input | null {
    const { context } = this.#encoding;
    if (context === null) return null;
    const width = context.kind === 'label' ? 1 : context.width;
    const all =
      context.kind === 'label' ? new Int32Array(contexts.length) : new Float32Array(contexts.length * width);
    contexts.forEach((values, n) => {
      all.set(values!, n * width);
    });
    return all;
  }
}
