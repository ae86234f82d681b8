import { elementwise, groupArguments, groupIndex } from './grid.ts';
import { defineKernel } from './kernel.ts';

/** Operands that are rounded to half precision when they are read. */
export type Rounded = 'none' | 'b' | 'both';

export const operands = ['a', 'b', 'bias', 'c'] as const;
export const sizes = {
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
/** WGSL: bias and accumulation. */
export const store = `
fn store(plane: u32, row: u32, column: u32, sum: f32) {
  if (row >= p.M || column >= p.P) { return; }
  let at = plane * p.M * p.P + row * p.c_row + column;
  var value = sum;
  if (has_bias()) { value += bias(column); }
  if (p.accumulate != 0u) { value += c(at); }
  set_c(at, value);
}`;

/** WGSL: how operands are read. */
export function readers(rounded: Rounded) {
  const isRounded = { a: rounded === 'both', b: rounded !== 'none' };
  const reader = (name: 'a' | 'b') =>
    isRounded[name] ? `fn half_${name}(i: u32) -> f32 { return to_half(${name}(i)); }\n` : '';
  return {
    a: isRounded.a ? 'half_a' : 'a',
    b: isRounded.b ? 'half_b' : 'b',
    library: reader('a') + reader('b'),
    suffix: rounded === 'none' ? '' : `, f16 (${rounded})`,
  };
}

export interface Tile {
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
export function productKernel(
  name: string,
  { rows, columns, depth, threadRows, threadColumns }: Tile,
  rounded: Rounded,
) {
  const threadsDown = rows / threadRows;
  const threadsAcross = columns / threadColumns;
  const threads = threadsDown * threadsAcross;
  const read = readers(rounded);
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
      if (row0 + r < p.M && k0 + kk < end) { value = ${read.a}((row0 + r) * p.a_row + (k0 + kk) * p.a_column); }`,
    )}
    ${load(
      'b_tile',
      columns,
      columns + 1,
      'p.b_row == 1u',
      `var value = 0.0;
      if (column0 + r < p.P && k0 + kk < end) { value = ${read.b}((k0 + kk) * p.b_row + (column0 + r) * p.b_column); }`,
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
${read.library}${store}`,
  });
}

/** The same sums without workgroup memory, a thread for each: less is waited for where there is little to share. */
export function plainKernel(rounded: Rounded) {
  const read = readers(rounded);
  return elementwise({
    name: `product, element by element${read.suffix}`,
    reals: operands,
    numbers: sizes,
    library: read.library + store,
    body: `let plane = i / (p.M * p.P);
  let row = (i / p.P) % p.M;
  let column = i % p.P;
  let end = min(p.K, (plane + 1u) * p.block);
  var sum = 0.0;
  for (var k = plane * p.block; k < end; k++) {
    sum = fma(${read.a}(row * p.a_row + k * p.a_column), ${read.b}(k * p.b_row + column * p.b_column), sum);
  }
  store(plane, row, column, sum);`,
  });
}
