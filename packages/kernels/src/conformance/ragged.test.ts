import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, RecurrentLayer, Tensor } from '../backend.ts';
import { cells } from './cases.ts';
import { engines } from './engines.ts';
import { Harness, valuesOf } from './harness.ts';

const [T, C, H] = [7, 5, 19];
/** Unsorted, with one sequence that has no step, and sorted by falling length as one that saves work has it. */
const batches = [
  [4, 7, 0, 1, 7, 3],
  [7, 7, 5, 5, 2, 1, 0],
  Array.from({ length: 130 }, (_, n) => (n * 5) % 8),
];

describe.each(engines)('$name', ({ create, precision, isSlow = false, hasRowBits = true }) => {
  let backend: Backend;
  const bitTest = test.skipIf(!hasRowBits);
  beforeAll(async () => {
    backend = await create();
  });
  afterAll(() => backend.close());

  /** Numbers of one sequence, the same wherever it stands: [steps, width] for its own label. */
  const own = (label: string, n: number, steps: number, width: number) =>
    valuesOf(`${label}${n}`, T * width).subarray(0, steps * width);

  /** [steps, N, width] of the sequences `rows`; steps beyond a length hold other numbers, which must not matter. */
  function timed(
    label: string,
    rows: readonly number[],
    lengths: readonly number[],
    steps: number,
    width: number,
  ) {
    const values = valuesOf(`padding of ${label}`, steps * rows.length * width, 9);
    for (const [place, n] of rows.entries()) {
      const sequence = own(label, n, lengths[place]!, width);
      for (let t = 0; t < lengths[place]!; t++)
        values.set(sequence.subarray(t * width, (t + 1) * width), (t * rows.length + place) * width);
    }
    const tensor = backend.createTensor([steps, rows.length, width]);
    backend.upload(tensor, values);
    return tensor;
  }

  function states(label: string, rows: readonly number[]) {
    const tensor = backend.createTensor([rows.length, H]);
    backend.upload(tensor, Float32Array.from(rows.flatMap((n) => [...own(label, n, 1, H)])));
    return tensor;
  }

  /** Forward and back of the sequences `rows`, cut into chunks of the given numbers of steps. */
  async function pass(
    layer: RecurrentLayer,
    rows: readonly number[],
    lengths: readonly number[],
    chunks: readonly number[],
  ) {
    const h = new Harness(backend);
    const N = rows.length;
    const steps = chunks.reduce((sum, count) => sum + count, 0);
    const parameters = h.recurrent('p', layer, 0.4);
    const gradients = {
      weightIh: backend.like(parameters.weightIh),
      weightHh: backend.like(parameters.weightHh!),
      biasIh: backend.like(parameters.biasIh),
      biasHh: backend.like(parameters.biasHh!),
    };
    const isLstm = layer.cell === 'lstm';
    const input = timed('x', rows, lengths, steps, C);
    const dOutput = timed('dOutput', rows, lengths, steps, H);
    const [output, dInput] = [h.empty([steps, N, H]), h.empty([steps, N, C])];
    const [state, dState] = [states('h0', rows), states('dhT', rows)];
    const [cellState, dCell] = isLstm ? [states('c0', rows), states('dcT', rows)] : [null, null];
    const parts = chunks.map((count, i) => {
      const first = chunks.slice(0, i).reduce((sum, before) => sum + before, 0);
      const saved = backend.createSaved(layer, count, N);
      const part = (tensor: Tensor) => backend.view(tensor, first, count);
      backend.recurrentForward({
        layer,
        parameters,
        input: part(input),
        h0: state,
        c0: cellState,
        lengths: h.integers(lengths.map((length) => Math.min(count, Math.max(0, length - first)))),
        output: part(output),
        hT: state,
        cT: cellState,
        saved,
      });
      return { part, saved };
    });
    const forward = await h.read({ hT: state, ...(cellState && { cT: cellState }) });
    for (const { part, saved } of parts.toReversed())
      backend.recurrentBackward({
        layer,
        parameters,
        gradients,
        saved,
        dOutput: part(dOutput),
        dhT: dState,
        dcT: dCell,
        dInput: part(dInput),
        dh0: dState,
        dc0: dCell,
      });
    const back = await h.read({ output, dInput, dh0: dState, ...(dCell && { dc0: dCell }) });
    return { states: { ...forward, ...back }, gradients: await h.read(gradients) };
  }

  /** What `values`, [steps, N, width] or [N, width], hold of the sequence at `place`, step after step. */
  function sequenceOf(values: readonly number[], width: number, N: number, place: number): number[] {
    const steps = values.length / (N * width);
    return Array.from({ length: steps }, (_, t) => {
      const at = (t * N + place) * width;
      return values.slice(at, at + width);
    }).flat();
  }
  const widthOf = (name: string) => (name === 'dInput' ? C : H);

  bitTest.each(cells)(
    'sequences of unequal length through $cell $activation have the bits that each has alone, and nothing comes from padding',
    async (cell) => {
      const layer: RecurrentLayer = { ...cell, inputSize: C, hiddenSize: H, input: 'dense' };
      for (const lengths of isSlow ? batches.slice(0, 1) : batches) {
        const N = lengths.length;
        const rows = lengths.map((_, n) => n);
        const together = await pass(layer, rows, lengths, [T]);
        const sums = Object.fromEntries(
          Object.entries(together.gradients).map(([name, values]) => [name, values.map(() => 0)]),
        );
        // Of a batch that is longer than a block of rows some sequences show the rest.
        const shown = rows.filter((n) => N < 20 || n % 13 === 0 || n === N - 1);
        for (const n of shown) {
          const length = lengths[n]!;
          if (length === 0) {
            const { hT, dh0, output } = together.states;
            expect(sequenceOf(hT!, H, N, n)).toEqual([...own('h0', n, 1, H)]);
            expect(sequenceOf(dh0!, H, N, n)).toEqual([...own('dhT', n, 1, H)]);
            expect(sequenceOf(output!, H, N, n)).toEqual(new Array(T * H).fill(0));
            continue;
          }
          const alone = await pass(layer, [n], [length], [length]);
          for (const [name, values] of Object.entries(alone.states)) {
            const timed = name === 'output' || name === 'dInput';
            const padding = timed ? new Array((T - length) * widthOf(name)).fill(0) : [];
            expect(sequenceOf(together.states[name]!, widthOf(name), N, n), `${name} of ${n}`).toEqual([
              ...values,
              ...padding,
            ]);
          }
          for (const [name, values] of Object.entries(alone.gradients))
            for (const [i, value] of values.entries()) sums[name]![i]! += value;
        }
        for (const [name, values] of shown.length === N ? Object.entries(sums) : []) {
          const size = Math.max(...values.map(Math.abs));
          const worst = Math.max(
            ...values.map((value, i) => Math.abs(value - together.gradients[name]![i]!)),
          );
          expect(worst / size, name).toBeLessThan(precision === 'bf16' ? 4e-3 : 4e-6);
        }
      }
    },
  );

  bitTest.each(cells)(
    'sequences of unequal length through $cell $activation may be cut into chunks',
    async (cell) => {
      const layer: RecurrentLayer = { ...cell, inputSize: C, hiddenSize: H, input: 'dense' };
      const [lengths] = batches as [number[]];
      const rows = lengths.map((_, n) => n);
      const whole = await pass(layer, rows, lengths, [T]);
      expect((await pass(layer, rows, lengths, [2, 1, 4])).states).toEqual(whole.states);
    },
  );

  test('lengths outside of the batch are refused', () => {
    const layer: RecurrentLayer = { cell: 'gru', inputSize: C, hiddenSize: H, input: 'dense' };
    const h = new Harness(backend);
    const call = {
      layer,
      parameters: h.recurrent('p', layer),
      input: h.empty([T, 2, C]),
      ...{ h0: null, c0: null, hT: null, cT: null, saved: null },
      output: h.empty([T, 2, H]),
    };
    for (const values of [[T + 1, 1], [1, -1], [1], [1, 1, 1]])
      expect(() => backend.recurrentForward({ ...call, lengths: h.integers(values) })).toThrow(RangeError);
    expect(() => backend.recurrentForward({ ...call, lengths: h.empty([2]) })).toThrow(TypeError);
  });
});
