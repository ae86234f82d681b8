import { elementwise, gridFor } from './grid.ts';
import { defineKernel } from './kernel.ts';
import { type Place, part } from './place.ts';
import type { Recorder } from './recorder.ts';
import type { Scratch } from './scratch.ts';

const sumPlanes = elementwise({
  name: 'sum of planes',
  reals: ['planes', 'sum'],
  numbers: { planes_count: 'u32', plane: 'u32' },
  body: `var total = 0.0;
  for (var plane = 0u; plane < p.planes_count; plane++) { total += planes(plane * p.plane + i); }
  set_sum(i, sum(i) + total);`,
});

/** The fewest rows of a block, and the most blocks that a sum over rows is cut into. */
const blockRows = 256;
const mostBlocks = 64;

/** How many rows a block of a sum over `rows` has: decided by their number alone, so that the order of the sum is. */
export function blockOf(rows: number): number {
  return Math.max(blockRows, Math.ceil(rows / mostBlocks));
}

/** How many blocks a sum over so many rows is cut into. */
export function blocksOf(rows: number): number {
  return Math.ceil(rows / blockOf(rows));
}

/** sum += Σ of `count` planes, first to last. */
export function addPlanes(recorder: Recorder, planes: Place, count: number, plane: number, sum: Place): void {
  recorder.dispatch(
    sumPlanes,
    { reals: { planes, sum }, ints: {}, numbers: { planes_count: count, plane, count: plane } },
    gridFor(plane),
  );
}

const sumLanes = 8;
const sumColumns = 32;
const columnSums = defineKernel({
  name: 'column sums',
  reals: ['x', 'y', 'planes'],
  ints: [],
  numbers: {
    rows: 'u32',
    columns: 'u32',
    x_row: 'u32',
    y_row: 'u32',
    shift_from: 'u32',
    shift: 'u32',
    block: 'u32',
  },
  code: `
var<workgroup> sums: array<f32, ${sumLanes * sumColumns}>;
@compute @workgroup_size(${sumLanes * sumColumns}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let k = group.x * ${sumColumns}u + lane % ${sumColumns}u;
  let own = lane / ${sumColumns}u;
  let first = group.y * p.block;
  let end = min(p.rows, first + p.block);
  let at = k + select(0u, p.shift, k >= p.shift_from);
  var sum = 0.0;
  if (k < p.columns) {
    for (var r = first + own; r < end; r += ${sumLanes}u) {
      if (has_y()) { sum = fma(x(r * p.x_row + at), y(r * p.y_row + k), sum); }
      else { sum += x(r * p.x_row + at); }
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (own == 0u && k < p.columns) {
    for (var other = 1u; other < ${sumLanes}u; other++) { sum += sums[other * ${sumColumns}u + lane]; }
    set_planes(group.y * p.columns + k, sum);
  }
}`,
});

/** Columns of rows of memory; from column `shiftFrom` on they stand `shift` further, as where a gate's block lies between. */
export interface Columns {
  readonly place: Place;
  readonly row: number;
  readonly count: number;
  readonly shiftFrom?: number;
  readonly shift?: number;
}

/** sum[k] += Σ_r x[r, k], or Σ_r x[r, k] · y[r, k]. */
export function addColumnSums(
  recorder: Recorder,
  scratch: Scratch,
  rows: number,
  x: Columns,
  sum: Place,
  y: { readonly place: Place; readonly row: number } | null = null,
): void {
  if (rows === 0) return;
  const { count: columns, shiftFrom = columns, shift = 0 } = x;
  const block = blockOf(rows);
  const blocks = blocksOf(rows);
  const planes = scratch('planes', blocks * columns);
  const numbers = {
    rows,
    columns,
    x_row: x.row,
    y_row: y?.row ?? 0,
    shift_from: shiftFrom,
    shift,
    block,
  };
  const reals = { x: x.place, y: y?.place ?? null, planes };
  recorder.dispatch(columnSums, { reals, ints: {}, numbers }, [Math.ceil(columns / sumColumns), blocks]);
  addPlanes(recorder, planes, blocks, columns, part(sum, 0, columns));
}
