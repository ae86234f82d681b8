import { describe, expect, it } from 'vitest';
import { prepare } from '../../../test-support/record-files.ts';
import type { VectorEncoding } from './record-encoding.ts';
import { SeriesWindows } from './series-windows.ts';

describe('windows of an endless series', () => {
  const csv = (first: number, last: number): string =>
    Array.from({ length: last - first + 1 }, (_, k) => `${first + k},${-(first + k)}`).join('\n');

  it('are lanes side by side, each step with the next one as target', async () => {
    const options = {
      task: 'forecasting',
      series: { normalization: 'none' },
      training: { sequence_length: 2, validation_fraction: 0.2 },
    };
    const file = await prepare(options, csv(1, 15));
    expect([file.training.steps, file.validation!.steps]).toEqual([12, 3]);
    const windows = new SeriesWindows(file, 'training', 2, 2);
    const inputs = new Float32Array(8);
    const targets = new Float32Array(8);
    expect(windows.load(1, inputs, targets)).toBe(2);
    // Lanes of 5 steps, of which two windows of 2 are whole: [T,N,C].
    expect([...inputs]).toEqual([3, -3, 8, -8, 4, -4, 9, -9]);
    expect([...targets]).toEqual([4, -4, 9, -9, 5, -5, 10, -10]);
    windows.close();
    const held = new SeriesWindows(file, 'validation', 2, 2);
    held.load(0, inputs, targets);
    expect([...inputs.subarray(0, 4)]).toEqual([13, -13, 14, -14]);
    held.close();
  });

  it('are normalized by the training part', async () => {
    const options = { task: 'forecasting', training: { sequence_length: 2, validation_fraction: 0.5 } };
    const file = await prepare(options, csv(1, 8));
    expect((file.encoding.input as VectorEncoding).normalization).toEqual({
      mean: [2.5, -2.5],
      deviation: [Math.sqrt(1.25), Math.sqrt(1.25)],
    });
  });

  it('may be validated on a file of their own', async () => {
    const options = {
      task: 'forecasting',
      series: { normalization: 'none' },
      training: { sequence_length: 2 },
    };
    const file = await prepare(options, csv(1, 8), csv(20, 22));
    expect([file.training.steps, file.validation!.steps]).toEqual([8, 3]);
    const held = new SeriesWindows(file, 'validation', 1, 2);
    const inputs = new Float32Array(4);
    held.load(0, inputs, new Float32Array(4));
    expect([...inputs]).toEqual([20, -20, 21, -21]);
    held.close();
  });

  it.each([
    ['in another order', 'y,x\n-20,20\n-21,21\n-22,22\n', {}],
    ['beside others', 'z,x,w,y\n0,20,0,-20\n0,21,0,-21\n0,22,0,-22\n', {}],
    ['that were asked for by place', 'y,x\n-20,20\n-21,21\n-22,22\n', { columns: [0, 1] }],
    ['where the first line is said to name them', 'y,x\n-20,20\n-21,21\n-22,22\n', { header: true }],
  ])('may be validated on columns of the same names %s', async (_, held, series) => {
    const options = {
      task: 'forecasting',
      series: { normalization: 'none', ...series },
      training: { sequence_length: 2 },
    };
    const file = await prepare(options, `x,y\n${csv(1, 8)}`, held);
    const windows = new SeriesWindows(file, 'validation', 1, 2);
    const inputs = new Float32Array(4);
    windows.load(0, inputs, new Float32Array(4));
    expect([...inputs]).toEqual([20, -20, 21, -21]);
    windows.close();
  });
});
