import { elementwise, gridFor, gridOf, groupArguments, groupIndex } from './grid.ts';
import type { Place } from './heap.ts';
import { defineKernel } from './kernel.ts';
import type { Recorder } from './recorder.ts';
import type { Scratch } from './scratch.ts';
import { addPlanes, blockOf } from './sums.ts';

/** A matrix in memory: element (row, column) stands at row · `row` + column · `column`. */
export interface Matrix {
  readonly place: Place;
  readonly row: number;
  readonly column: number;
}

export interface Product {
  /** [M,K]. */
  readonly a: Matrix;
  /** [K,P]. */
  readonly b: Matrix;
  /** [M,P], columns adjacent, rows `outputRow` apart. */
  readonly output: Place;
  readonly outputRow: number;
  readonly M: number;
  readonly K: number;
  readonly P: number;
  readonly bias?: Place | null;
  readonly accumulate?: boolean;
}

const operands = ['a', 'b', 'bias', 'c'] as const;
const sizes = {
  M: 'u32',
  K: 'u32',
  P: 'u32',
  a_row: 'u32',
  a_column: 'u32',
  b_row: 'u32',
  b_column: 'u32',
  c_row: 'u32',
  accumulate: 'u32',
  /** Elements of k that a plane of the output has the sums of. */
  block: 'u32',
} as const;
const store = `
fn store(plane: u32, row: u32, column: u32, sum: f32) {
  if (row >= p.M || column >= p.P) { return; }
  let at = plane * p.M * p.P + row * p.c_row + column;
  var value = sum;
  if (has_bias()) { value += bias(column); }
  if (p.accumulate != 0u) { value += c(at); }
  set_c(at, value);
}`;

interface Tile {
  /** What a workgroup computes: rows × columns. */
  readonly rows: number;
  readonly columns: number;
  /** Elements of k that it holds at a time. */
  readonly depth: number;
  /** What a thread computes of it. */
  readonly threadRows: number;
  readonly threadColumns: number;
}

/**
 * Tiles of workgroup memory, and in them tiles of registers: a thread's elements stand `threads` apart, so that neighbours read neighbouring words. Every
 * element is one sum over k upwards, fused multiply-adds into one accumulator: its bits depend neither on the tile nor on the rows beside it.
 */
function productKernel(name: string, { rows, columns, depth, threadRows, threadColumns }: Tile) {
  const threadsDown = rows / threadRows;
  const threadsAcross = columns / threadColumns;
  const threads = threadsDown * threadsAcross;
  const each = (count: number, body: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => body(i)).join('\n');
  /** Neighbouring threads take neighbouring memory, along whichever dimension that is. */
  const load = (tile: string, size: number, stride: number, adjacent: string, value: string) => `
    for (var e = lane; e < ${size * depth}u; e += ${threads}u) {
      let along = ${adjacent};
      let r = select(e % ${size}u, e / ${depth}u, along);
      let kk = select(e / ${size}u, e % ${depth}u, along);
      ${value}
      ${tile}[kk * ${stride}u + r] = value;
    }`;
  return defineKernel({
    name,
    reals: operands,
    ints: [],
    numbers: { ...sizes, across: 'u32', tiles: 'u32' },
    code: `
var<workgroup> a_tile: array<f32, ${depth * (rows + 1)}>;
var<workgroup> b_tile: array<f32, ${depth * (columns + 1)}>;
@compute @workgroup_size(${threads}) fn main(${groupArguments}) {
  let index = ${groupIndex};
  if (index >= p.tiles) { return; }
  let row0 = (index / p.across) * ${rows}u;
  let column0 = (index % p.across) * ${columns}u;
  let y = lane / ${threadsAcross}u;
  let x = lane % ${threadsAcross}u;
  // A block of k for each plane of the grid, whose sums stand in planes of the output.
  let first = group.z * p.block;
  let end = min(p.K, first + p.block);
  ${each(threadRows, (i) => each(threadColumns, (j) => `var s${i}_${j} = 0.0;`))}
  for (var k0 = first; k0 < end; k0 += ${depth}u) {
    ${load(
      'a_tile',
      rows,
      rows + 1,
      'p.a_column == 1u',
      `var value = 0.0;
      if (row0 + r < p.M && k0 + kk < end) { value = a((row0 + r) * p.a_row + (k0 + kk) * p.a_column); }`,
    )}
    ${load(
      'b_tile',
      columns,
      columns + 1,
      'p.b_row == 1u',
      `var value = 0.0;
      if (column0 + r < p.P && k0 + kk < end) { value = b((k0 + kk) * p.b_row + (column0 + r) * p.b_column); }`,
    )}
    workgroupBarrier();
    for (var kk = 0u; kk < min(${depth}u, end - k0); kk++) {
      ${each(threadRows, (i) => `let a${i} = a_tile[kk * ${rows + 1}u + y + ${i * threadsDown}u];`)}
      ${each(threadColumns, (j) => `let b${j} = b_tile[kk * ${columns + 1}u + x + ${j * threadsAcross}u];`)}
      ${each(threadRows, (i) => each(threadColumns, (j) => `s${i}_${j} = fma(a${i}, b${j}, s${i}_${j});`))}
    }
    workgroupBarrier();
  }
  ${each(threadRows, (i) =>
    each(
      threadColumns,
      (j) =>
        `store(group.z, row0 + y + ${i * threadsDown}u, column0 + x + ${j * threadsAcross}u, s${i}_${j});`,
    ),
  )}
}
${store}`,
  });
}

/** The same sums without workgroup memory, a thread for each: less is waited for where there is little to share. */
const plain = elementwise({
  name: 'product, element by element',
  reals: operands,
  numbers: sizes,
  library: store,
  body: `let plane = i / (p.M * p.P);
  let row = (i / p.P) % p.M;
  let column = i % p.P;
  let end = min(p.K, (plane + 1u) * p.block);
  var sum = 0.0;
  for (var k = plane * p.block; k < end; k++) {
    sum = fma(a(row * p.a_row + k * p.a_column), b(k * p.b_row + column * p.b_column), sum);
  }
  store(plane, row, column, sum);`,
});
/** Up to this many multiply-adds it is the faster one. */
const plainWork = 2 ** 15;

const large: Tile = { rows: 64, columns: 64, depth: 16, threadRows: 4, threadColumns: 4 };
const small: Tile = { rows: 16, columns: 32, depth: 32, threadRows: 2, threadColumns: 2 };
const kernels = {
  large: { tile: large, kernel: productKernel('product, large tiles', large) },
  small: { tile: small, kernel: productKernel('product, small tiles', small) },
};
/** Up to this many elements of output, small tiles keep more of the GPU busy. */
const smallOutput = 2 ** 18;

function enqueue(recorder: Recorder, product: Product, block: number): void {
  const { a, b, output: c, outputRow, M, K, P, bias = null, accumulate = false } = product;
  const planes = Math.max(1, Math.ceil(K / block));
  const reals = { a: a.place, b: b.place, bias, c };
  const shape = {
    M,
    K,
    P,
    a_row: a.row,
    a_column: a.column,
    b_row: b.row,
    b_column: b.column,
    c_row: outputRow,
    accumulate: Number(accumulate),
    block,
  };
  if (M * K * P <= plainWork) {
    const count = M * P * planes;
    recorder.dispatch(plain, { reals, ints: {}, numbers: { ...shape, count } }, gridFor(count));
    return;
  }
  const { tile, kernel } = kernels[M * P * planes <= smallOutput ? 'small' : 'large'];
  const across = Math.ceil(P / tile.columns);
  const tiles = Math.ceil(M / tile.rows) * across;
  recorder.dispatch(kernel, { reals, ints: {}, numbers: { ...shape, across, tiles } }, [
    ...gridOf(tiles),
    planes,
  ]);
}

/** output (+)= a · b + bias. */
export function multiply(recorder: Recorder, product: Product): void {
  enqueue(recorder, product, Math.max(1, product.K));
}

/** output += a · b where K is the rows of a batch, many, and the output small: blocks of rows are summed beside each other, then their sums in order. The output's rows are adjacent. */
export function addOuterProduct(
  recorder: Recorder,
  scratch: Scratch,
  product: Omit<Product, 'outputRow' | 'bias' | 'accumulate'>,
): void {
  const { M, K, P, output } = product;
  const block = blockOf(K);
  const count = Math.ceil(K / block);
  if (count === 0) return;
  if (count === 1) {
    enqueue(recorder, { ...product, outputRow: P, accumulate: true }, block);
    return;
  }
  const planes = scratch('planes', count * M * P);
  enqueue(recorder, { ...product, output: planes, outputRow: P }, block);
  addPlanes(recorder, planes, count, M * P, output);
}
