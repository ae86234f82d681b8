import { describe, expect, it } from 'vitest';
import { prepare, tokensOf } from '../../../test-support/record-files.ts';
import type { RecordBatch } from './batch-layout.ts';
import { denormalize } from './normalization.ts';
import { RecordBatches } from './record-batches.ts';
import type { VectorEncoding } from './record-encoding.ts';
import type { RecordFile } from './record-file.ts';

const batchesOf = (
  file: RecordFile,
  options: Partial<ConstructorParameters<typeof RecordBatches>[2]> = {},
  part: 'training' | 'validation' = 'training',
) =>
  new RecordBatches(file, file[part]!, {
    batchSize: 4,
    seed: 1,
    bucketing: true,
    shuffle: false,
    length: 'eos',
    ...options,
  });

/** Column n of a padded batch, up to its length. */
const row = (values: Int32Array | Float32Array, batch: RecordBatch, n: number): number[] =>
  Array.from({ length: batch.lengths[n]! }, (_, t) => values[t * batch.rows + n]!);

const allHeldIn = { training: { validation_fraction: 0 } };
const lines = { text: { sequences: 'lines' }, ...allHeldIn };

describe('batches of text sequences', () => {
  it('begin with <s> and, by default, end with it', async () => {
    const file = await prepare(lines, 'ab\nb\n');
    const batches = batchesOf(file, { batchSize: 2 });
    const batch = batches.load(0, 0);
    batches.close();
    expect(tokensOf(file.encoding.input)).toEqual(['<unk>', '<s>', 'a', 'b']);
    // Sorted by length: "b" comes first. Time-major.
    expect([...batch.lengths]).toEqual([2, 3]);
    expect([...batch.sequences]).toEqual([1, 0]);
    expect([...batch.inputs]).toEqual([1, 1, 3, 2, 0, 3]);
    expect([...batch.targets]).toEqual([3, 2, 1, 3, -1, 1]);
    expect(batch).toMatchObject({ rows: 2, steps: 3, count: 5, mask: null, context: null });
  });

  it('leave the end to the halting probability or to the countdown', async () => {
    const file = await prepare(lines, 'ab\nb\n');
    const bernoulli = batchesOf(file, { length: 'bernoulli' });
    const countdown = batchesOf(file, { length: 'countdown' });
    const halting = bernoulli.load(0, 0);
    expect(row(halting.inputs, halting, 1)).toEqual([1, 2, 3]);
    expect(row(halting.targets, halting, 1)).toEqual([2, 3, -1]);
    expect(halting.count).toBe(3);
    const counting = countdown.load(0, 0);
    expect([...counting.lengths]).toEqual([1, 2]);
    expect(row(counting.inputs, counting, 1)).toEqual([1, 2]);
    expect(row(counting.targets, counting, 1)).toEqual([2, 3]);
    bernoulli.close();
    countdown.close();
  });

  it('carry their context, labels sorted by code point', async () => {
    const file = await prepare({ task: 'conditional_generation', ...allHeldIn }, [
      { context: 'é', text: 'abc' },
      { context: 'Z', text: 'a' },
    ]);
    const batches = batchesOf(file);
    expect([...batches.load(0, 0).context!]).toEqual([0, 1]);
    batches.close();
  });

  it('do not run words of two lines together', async () => {
    const file = await prepare(
      { text: { sequences: 'lines', level: 'word' }, ...allHeldIn },
      'foo\nbar\nbar\n',
    );
    expect(tokensOf(file.encoding.input)).toEqual(['<unk>', '<s>', 'bar', 'foo']);
  });

  it('have <s> beside the 256 bytes', async () => {
    const file = await prepare({ text: { sequences: 'lines', level: 'byte' }, ...allHeldIn }, 'é\n');
    const batches = batchesOf(file);
    expect([...batches.load(0, 0).inputs]).toEqual([256, 0xc3, 0xa9]);
    batches.close();
  });
});

describe('batches of labels, tags and numbers', () => {
  it('leave out targets that are null', async () => {
    const file = await prepare({ task: 'sequence_labeling', ...allHeldIn }, [
      { input: ['b', 'a'], output: [null, 'Y'] },
      { input: ['a', 'b', 'a'], output: ['X', 'Y', null] },
    ]);
    const batches = batchesOf(file);
    const batch = batches.load(0, 0);
    batches.close();
    expect(row(batch.inputs, batch, 0)).toEqual([2, 1]);
    expect(row(batch.targets, batch, 0)).toEqual([-1, 1]);
    expect(row(batch.targets, batch, 1)).toEqual([0, 1, -1]);
    expect(batch.count).toBe(3);
  });

  it('mask numbers that are null, and normalize inputs and targets if asked', async () => {
    const file = await prepare(
      { task: 'sequence_labeling', series: { normalization: 'standard' }, ...allHeldIn },
      [
        {
          input: [
            [0, 5],
            [2, 5],
          ],
          output: [10, null],
        },
        { input: [[4, 5]], output: [20] },
      ],
    );
    const batches = batchesOf(file);
    const batch = batches.load(0, 0);
    batches.close();
    const { normalization } = file.encoding.input as VectorEncoding;
    expect(normalization).toEqual({ mean: [2, 5], deviation: [Math.sqrt(8 / 3), 1] });
    expect([...batch.lengths]).toEqual([1, 2]);
    expect([...batch.mask!]).toEqual([1, 1, 0, 0]);
    expect(batch.count).toBe(2);
    // [T,N,C]: step 0 of both rows, then step 1.
    expect(
      denormalize(batch.inputs, normalization).map((value) => Math.abs(Math.round(value * 1e4)) / 1e4),
    ).toEqual([4, 5, 0, 5, 2, 5, 2, 5]);
    expect([...batch.targets]).toEqual([1, -1, 0, 0]);
  });

  it('have one class a record', async () => {
    const file = await prepare({ task: 'classification', ...allHeldIn }, [
      { input: [[1], [2]], label: 'no' },
      { input: [[3]], label: 'yes' },
    ]);
    const batches = batchesOf(file);
    const batch = batches.load(0, 0);
    batches.close();
    expect([...batch.targets]).toEqual([1, 0]);
    expect([...batch.inputs]).toEqual([3, 1, 0, 2]);
  });

  it('have the next step as target of a series', async () => {
    const file = await prepare({ task: 'forecasting', series: { normalization: 'none' }, ...allHeldIn }, [
      { values: [1, 2, 3] },
      { values: [[7], [8]] },
    ]);
    const batches = batchesOf(file);
    const batch = batches.load(0, 0);
    batches.close();
    expect([...batch.lengths]).toEqual([1, 2]);
    expect([...batch.inputs]).toEqual([7, 1, 0, 2]);
    expect([...batch.targets]).toEqual([8, 2, 0, 3]);
    expect([...batch.mask!]).toEqual([1, 1, 0, 1]);
  });
});

/** 1,000 lines of 1 to 40 characters. */
const manyLines = (): string =>
  Array.from({ length: 1000 }, (_, k) => 'x'.repeat(1 + ((k * 7919) % 40))).join('\n');

describe('an epoch', () => {
  const sequencesOf = (batches: RecordBatches, epoch: number): number[][] =>
    Array.from({ length: batches.batches }, (_, k) => [...batches.load(epoch, k).sequences]);

  it('holds every record once, in an order of its own', async () => {
    const file = await prepare(lines, manyLines());
    const batches = batchesOf(file, { batchSize: 8, shuffle: true });
    const [first, second] = [sequencesOf(batches, 0), sequencesOf(batches, 1)];
    for (const epoch of [first, second])
      expect(epoch.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, k) => k));
    expect(first).not.toEqual(second);
    const otherSeed = batchesOf(file, { batchSize: 8, shuffle: true, seed: 2 });
    expect(sequencesOf(otherSeed, 0)).not.toEqual(first);
    batches.close();
    otherSeed.close();
  });

  it('goes on from any batch as if it had never stopped', async () => {
    const file = await prepare(lines, manyLines());
    const whole = batchesOf(file, { batchSize: 8, shuffle: true });
    const expected = [64, 3, 124].map((k) => whole.load(2, k));
    const resumed = batchesOf(file, { batchSize: 8, shuffle: true });
    expect([64, 3, 124].map((k) => resumed.load(2, k))).toEqual(expected);
    whole.close();
    resumed.close();
  });

  it('pads little where records are bucketed by length', async () => {
    const file = await prepare(lines, manyLines());
    const padding = (bucketing: boolean): number => {
      const batches = batchesOf(file, { batchSize: 8, shuffle: true, bucketing });
      let padded = 0;
      for (let k = 0; k < batches.batches; k++) {
        const { rows, steps, count } = batches.load(0, k);
        padded += rows * steps - count;
      }
      batches.close();
      return padded;
    };
    expect(padding(true)).toBeLessThan(padding(false) / 8);
  });

  it('has no batch of a single row at its end', async () => {
    const file = await prepare(lines, 'a\n'.repeat(9));
    const batches = batchesOf(file, { batchSize: 8, shuffle: true });
    expect(sequencesOf(batches, 0).map(({ length }) => length)).toEqual([4, 5]);
    batches.close();
    // One more than are sorted together.
    const many = batchesOf(await prepare(lines, 'a\n'.repeat(3 * 64 + 1)), { batchSize: 3, shuffle: true });
    const sizes = sequencesOf(many, 0).map(({ length }) => length);
    expect(sizes.every((size) => size === 2 || size === 3)).toBe(true);
    expect(sizes.reduce((a, b) => a + b)).toBe(3 * 64 + 1);
    many.close();
  });
});
