import type { Backend } from '../backend.ts';
import { checkEmbeddingBackward, checkEmbeddingForward } from '../checks/embedding.ts';
import { checkConcatenate, checkGather, checkScaleRows, checkScatter, checkSplit } from '../checks/rows.ts';
import { elementwise, gridFor } from './grid.ts';
import { type Place, part } from './place.ts';
import type { Recorder } from './recorder.ts';
import { scatterAdd } from './scatter.ts';
import type { Scratch } from './scratch.ts';
import type { Columns } from './sums.ts';
import type { Tensors } from './tensors.ts';

const gatherKernel = elementwise({
  name: 'gather',
  reals: ['source', 'sink'],
  ints: ['indices'],
  numbers: { columns: 'u32', source_row: 'u32', sink_row: 'u32', shift_from: 'u32', shift: 'u32' },
  body: `let row = i / p.columns;
  let k = i % p.columns;
  let index = indices(row);
  var value = 0.0;
  if (index >= 0) { value = source(u32(index) * p.source_row + k); }
  set_sink(row * p.sink_row + k + select(0u, p.shift, k >= p.shift_from), value);`,
});

const columnsKernel = elementwise({
  name: 'columns',
  reals: ['source', 'sink'],
  numbers: {
    columns: 'u32',
    source_row: 'u32',
    sink_row: 'u32',
    accumulate: 'u32',
    shift_from: 'u32',
    shift: 'u32',
  },
  body: `let row = i / p.columns;
  let k = i % p.columns;
  let at = row * p.sink_row + k;
  var value = source(row * p.source_row + k + select(0u, p.shift, k >= p.shift_from));
  if (p.accumulate != 0u) { value += sink(at); }
  set_sink(at, value);`,
});

const scaleKernel = elementwise({
  name: 'scale rows',
  reals: ['x', 'factors', 'y'],
  numbers: { columns: 'u32' },
  body: 'set_y(i, factors(i / p.columns) * x(i));',
});

/** sink[r] ← the row of `source` that indices[r] names, zeros for −1. */
export function gather(
  recorder: Recorder,
  source: Place,
  sourceRow: number,
  indices: Int32Array,
  { place, row, count, shiftFrom = count, shift = 0 }: Columns,
): void {
  const elements = indices.length * count;
  const numbers = {
    columns: count,
    source_row: sourceRow,
    sink_row: row,
    shift_from: shiftFrom,
    shift,
    count: elements,
  };
  recorder.dispatch(
    gatherKernel,
    { reals: { source, sink: place }, ints: { indices }, numbers },
    gridFor(elements),
  );
}

/** sink[r, k] (+)= the columns of `source`. */
export function copyColumns(
  recorder: Recorder,
  rows: number,
  { place: source, row, count, shiftFrom = count, shift = 0 }: Columns,
  sink: Place,
  sinkRow: number,
  accumulate = false,
): void {
  const elements = rows * count;
  const numbers = {
    columns: count,
    source_row: row,
    sink_row: sinkRow,
    accumulate: Number(accumulate),
    shift_from: shiftFrom,
    shift,
    count: elements,
  };
  recorder.dispatch(columnsKernel, { reals: { source, sink }, ints: {}, numbers }, gridFor(elements));
}

/** Kernels that move rows. */
export function rowKernels(
  recorder: Recorder,
  scratch: Scratch,
  { door }: Tensors,
): Pick<
  Backend,
  | 'embeddingForward'
  | 'embeddingBackward'
  | 'gatherRows'
  | 'scatterAddRows'
  | 'concatenate'
  | 'split'
  | 'scaleRows'
> {
  return {
    embeddingForward(call) {
      const { C, tokens, table, rows } = checkEmbeddingForward(door, call);
      gather(recorder, table, C, tokens, { place: rows, row: C, count: C });
    },
    embeddingBackward(call) {
      const { V, C, tokens, table, rows } = checkEmbeddingBackward(door, call);
      scatterAdd(recorder, scratch, tokens, V, { place: rows, row: C, count: C }, table, C);
    },
    gatherRows(call) {
      const { K, source, indices, output } = checkGather(door, call);
      if (source instanceof Int32Array) {
        const values = output as Int32Array;
        for (let r = 0; r < indices.length; r++) values[r] = indices[r]! < 0 ? 0 : source[indices[r]!]!;
        recorder.changed(values);
      } else gather(recorder, source, K, indices, { place: output as Place, row: K, count: K });
    },
    scatterAddRows(call) {
      const { K, count, source, indices, target } = checkScatter(door, call);
      scatterAdd(recorder, scratch, indices, count, { place: source, row: K, count: K }, target, K);
    },
    concatenate(call) {
      const { rows, columns, whole, parts } = checkConcatenate(door, call);
      let at = 0;
      for (const { values, columns: count } of parts) {
        const sink = part(whole, at, whole.length - at);
        copyColumns(recorder, rows, { place: values, row: count, count }, sink, columns);
        at += count;
      }
    },
    split(call) {
      const { rows, columns, whole, parts } = checkSplit(door, call);
      let at = 0;
      for (const { values, columns: count } of parts) {
        const place = part(whole, at, whole.length - at);
        copyColumns(recorder, rows, { place, row: columns, count }, values, count, call.accumulate);
        at += count;
      }
    },
    scaleRows(call) {
      const { K, input: x, factors, output: y } = checkScaleRows(door, call);
      const numbers = { columns: K, count: x.length };
      recorder.dispatch(scaleKernel, { reals: { x, factors, y }, ints: {}, numbers }, gridFor(x.length));
    },
  };
}
