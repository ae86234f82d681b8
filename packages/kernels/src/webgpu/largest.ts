import { gridOf, groupIndex, reducing } from './grid.ts';
import { defineKernel } from './kernel.ts';
import { type Place, part } from './place.ts';
import type { Recorder } from './recorder.ts';
import type { Scratch } from './scratch.ts';

const lanes = 64;
const rowMaxima = defineKernel({
  name: 'largest of each row',
  reals: ['x', 'maxima'],
  ints: [],
  numbers: { rows: 'u32', columns: 'u32', x_row: 'u32' },
  code: reducing(
    lanes,
    '',
    `let row = ${groupIndex};
  if (row >= p.rows) { return; }
  var own = 0.0;
  for (var k = lane; k < p.columns; k += ${lanes}u) { own = max(own, abs(x(row * p.x_row + k))); }
  let most = largest_of(own, lane);
  if (lane == 0u) { set_maxima(row, most); }`,
  ),
});

/** The largest magnitude of each row; what NaN does to it does not matter, since the row's products are NaN whatever they are scaled by. */
export function largestOfRows(
  recorder: Recorder,
  scratch: Scratch,
  x: Place,
  xRow: number,
  rows: number,
  columns: number,
): Place {
  const maxima = part(scratch('largest of rows', rows), 0, rows);
  const numbers = { rows, columns, x_row: xRow };
  recorder.dispatch(rowMaxima, { reals: { x, maxima }, ints: {}, numbers }, gridOf(rows));
  return maxima;
}

/** The largest of all of them, in a place of one element. */
export function largestOfAll(recorder: Recorder, scratch: Scratch, x: Place): Place {
  const maxima = part(scratch('largest of all', 1), 0, 1);
  const numbers = { rows: 1, columns: x.length, x_row: 0 };
  recorder.dispatch(rowMaxima, { reals: { x, maxima }, ints: {}, numbers }, [1]);
  return maxima;
}
