import { groupArguments, groupIndex } from './grid.ts';
import { halfScale } from './half.ts';
import { defineKernel } from './kernel.ts';
import { operands, sizes, store } from './product-kernels.ts';

/** What one subgroup multiplies in one instruction: [M,K] · [K,N] in half precision, summed in float32. */
export interface MatrixShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** The most threads of a subgroup. */
  readonly subgroup: number;
}

/** Output of a workgroup; each of its four subgroups makes a quarter. */
export const tileOf = { rows: 64, columns: 64 } as const;
const quarter = 32;
const depth = 32;
/** Rows of a tile begin at multiples of 16 bytes, and not all in the same bank. */
const padding = 8;
const [aStride, bStride] = [depth + padding, tileOf.columns + padding];

type Limits = Pick<
  GPUSupportedLimits,
  'maxComputeInvocationsPerWorkgroup' | 'maxComputeWorkgroupStorageSize'
>;

/** The adapter's configuration that does most at once, of those that divide a tile and whose workgroup the device can hold; null where none does. */
export function matrixShapeOf(
  { subgroupMatrixConfigs, subgroupMaxSize: subgroup }: AdapterInfo,
  limits: Limits,
): MatrixShape | null {
  const usable = [...(subgroupMatrixConfigs ?? [])].filter(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === 'f16' &&
      resultComponentType === 'f32' &&
      [M, N].every((size) => quarter % size === 0) &&
      depth % K === 0 &&
      4 * subgroup <= limits.maxComputeInvocationsPerWorkgroup &&
      2 * (tileOf.rows * aStride + depth * bStride) + 16 * M * N <= limits.maxComputeWorkgroupStorageSize,
  );
  const [best] = usable.sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K);
  return best ? { M: best.M, N: best.N, K: best.K, subgroup } : null;
}

/** What Dawn tells of an adapter beyond the types of WebGPU. */
export interface AdapterInfo {
  readonly subgroupMaxSize: number;
  readonly subgroupMatrixConfigs?: Iterable<{
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number;
    readonly N: number;
    readonly K: number;
  }>;
}

/** Extensions of WGSL that `matrixKernel` needs; Dawn counts the last one as experimental, and unsafe. */
export const matrixFeatures = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as const;

/**
 * A product on matrix units. Operands go through workgroup memory in half precision, zeros standing where a tile hangs over; sums stay in registers. `largest`: of
 * each row of a, or of all of a, if it holds gradients: they are scaled by it, and the sums back.
 */
export function matrixKernel({ M, N, K, subgroup }: MatrixShape) {
  const { rows, columns } = tileOf;
  const threads = 4 * subgroup;
  const down = Array.from({ length: quarter / M }, (_, i) => i);
  const across = Array.from({ length: quarter / N }, (_, j) => j);
  const pairs = down.flatMap((i) => across.map((j) => [i, j] as const));
  const load = (
    tile: string,
    stride: number,
    row: string,
    column: string,
    adjacent: string,
    value: string,
  ) => `
    for (var e = lane; e < ${64 * depth}u; e += ${threads}u) {
      // Neighbouring threads take neighbouring memory, along whichever dimension that is.
      let along = ${adjacent};
      let r = select(e % 64u, e / ${depth}u, along);
      let kk = select(e / 64u, e % ${depth}u, along);
      var value = 0.0;
      ${value}
      ${tile}[${row} * ${stride}u + ${column}] = bitcast<vec2h>(half_bits(value)).x;
    }`;
  return defineKernel({
    name: 'product, subgroup matrices',
    reals: [...operands, 'largest'],
    ints: [],
    numbers: { ...sizes, across: 'u32', tiles: 'u32', largest_row: 'u32' },
    extensions: ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'],
    code: `
${halfScale}
var<workgroup> a_tile: array<f16, ${rows * aStride}>;
var<workgroup> b_tile: array<f16, ${depth * bStride}>;
// Sums on their way from registers to memory, one matrix of each subgroup at a time.
var<workgroup> results: array<f32, ${4 * M * N}>;
fn scale_of(row: u32) -> Scale {
  if (!has_largest()) { return Scale(1.0, 1.0); }
  return scale_for(largest(min(row, p.M - 1u) * p.largest_row));
}
@compute @workgroup_size(${threads}) fn main(${groupArguments}, @builtin(subgroup_id) subgroup: u32) {
  let index = ${groupIndex};
  if (index >= p.tiles) { return; }
  let row0 = (index / p.across) * ${rows}u;
  let column0 = (index % p.across) * ${columns}u;
  let first = group.z * p.block;
  let end = min(p.K, first + p.block);
  // Where subgroups are smaller than they may be there are more of them than quarters, and the rest only helps to load.
  let quarter_row = (subgroup / 2u) * ${quarter}u;
  let quarter_column = (subgroup % 2u) * ${quarter}u;
  ${pairs.map(([i, j]) => `var s${i}_${j} = subgroup_matrix_result<f32, ${N}, ${M}>();`).join(' ')}
  for (var k0 = first; k0 < end; k0 += ${depth}u) {
    ${load(
      'a_tile',
      aStride,
      'r',
      'kk',
      'p.a_column == 1u',
      'if (row0 + r < p.M && k0 + kk < end) { value = a((row0 + r) * p.a_row + (k0 + kk) * p.a_column) * scale_of(row0 + r).up; }',
    )}
    ${load(
      'b_tile',
      bStride,
      'kk',
      'r',
      'p.b_row == 1u',
      'if (column0 + r < p.P && k0 + kk < end) { value = b((k0 + kk) * p.b_row + (column0 + r) * p.b_column); }',
    )}
    workgroupBarrier();
    if (subgroup < 4u) {
      for (var kk = 0u; kk < ${depth}u; kk += ${K}u) {
        ${down
          .map(
            (i) =>
              `let a${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${K}, ${M}>, row_major>(&a_tile, (quarter_row + ${i * M}u) * ${aStride}u + kk, ${aStride}u);`,
          )
          .join('\n        ')}
        ${across
          .map(
            (j) =>
              `let b${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, ${N}, ${K}>, row_major>(&b_tile, kk * ${bStride}u + quarter_column + ${j * N}u, ${bStride}u);`,
          )
          .join('\n        ')}
        ${pairs
          .map(([i, j]) => `s${i}_${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, s${i}_${j});`)
          .join('\n        ')}
      }
    }
    workgroupBarrier();
  }
  ${pairs
    .map(
      ([
        i,
        j,
      ]) => `if (subgroup < 4u) { subgroupMatrixStore<row_major>(&results, subgroup * ${M * N}u, s${i}_${j}, ${N}u); }
  workgroupBarrier();
  write_results(lane, group.z, row0 + ${i * M}u, column0 + ${j * N}u);
  workgroupBarrier();`,
    )
    .join('\n  ')}
}
fn write_results(lane: u32, plane: u32, row0: u32, column0: u32) {
  for (var e = lane; e < ${4 * M * N}u; e += ${threads}u) {
    let owner = e / ${M * N}u;
    let row = row0 + (owner / 2u) * ${quarter}u + (e % ${M * N}u) / ${N}u;
    store(plane, row, column0 + (owner % 2u) * ${quarter}u + e % ${N}u, results[e] * scale_of(row).down);
  }
}
${store}`,
  });
}
export type MatrixKernel = ReturnType<typeof matrixKernel>;
