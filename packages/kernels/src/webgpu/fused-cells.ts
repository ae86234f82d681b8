import type { CellKind } from '../backend.ts';
import { fusedBackward, fusedBackwardReals, fusedCarry } from './cell-backward.ts';
import { fusedForward, fusedForwardReals } from './cell-forward.ts';
import { frameNumbers } from './cell-frame.ts';

/** Blocks of H rows that a cell's weightHh has. */
export const hiddenBlocks: Readonly<Record<CellKind, number>> = { elman: 1, gru: 3, lstm: 4 };

/**
 * A cell with its recurrent product, for a kernel that makes both. The product of a unit is a sum for each block of weightHh, over k upwards by fused
 * multiply-adds, so that its bits depend on nothing but the operands: forwards over h_{t−1}, which all blocks share; backwards each over its own block
 * of the gates' gradients at t + 1, added up from the first block to the last.
 */
export interface FusedCell<Real extends string = string> {
  readonly name: string;
  /** Operands: of the cell; `weight`; where the product's left side stands. */
  readonly reals: readonly Real[];
  readonly blocks: number;
  /** Weights stand in pairs of k in half precision, what is multiplied by them forwards is rounded to it. */
  readonly isHalf: boolean;
  /** How many blocks of H numbers are multiplied: 1, shared by all blocks of weightHh, or one for each. */
  readonly sources: number;
  readonly isForward: boolean;
  /** WGSL: the function `cell(n, u)`, which finds the sums in `product` and the length of each in `inner_size`. */
  readonly library: string;
  /** WGSL: where in `weight` the factor of block b, unit u, stands for k; in half precision, for the pair of that number. */
  weightAt(block: number, k: string, unit: string): string;
  /** WGSL: the sums of the blocks made `product`. */
  finish(sums: readonly string[]): string;
}

export const fusedNumbers = {
  ...frameNumbers,
  /** Where forwards the weight of k and of a row of weightHh stands: as it is, or transposed. */
  weight_k: 'u32',
  weight_row: 'u32',
} as const;

const variables = (products: number): string => `
var<private> product: array<f32, ${products}>;
var<private> inner_size: u32 = 0u;
`;

export type FusedForwardReal = (typeof fusedForwardReals)[number] | 'weight';
export type FusedBackwardReal = (typeof fusedBackwardReals)[number] | 'weight' | 'behind';

function forwards(cell: CellKind, isHalf: boolean): FusedCell<FusedForwardReal> {
  const blocks = hiddenBlocks[cell];
  return {
    name: `${cell} forward${isHalf ? ', f16' : ''}`,
    isHalf,
    reals: [...fusedForwardReals, 'weight'],
    blocks,
    sources: 1,
    isForward: true,
    library: variables(blocks) + fusedForward(cell),
    weightAt: (block, k, unit) => `${k} * p.weight_k + (${block}u * p.units + ${unit}) * p.weight_row`,
    finish: (sums) => sums.map((sum, block) => `product[${block}] = ${sum};`).join(' '),
  };
}

function backwards(
  cell: CellKind,
  library: string,
  name: string,
  isHalf: boolean,
): FusedCell<FusedBackwardReal> {
  const blocks = hiddenBlocks[cell];
  const ofBlock = isHalf ? '((p.units + 1u) / 2u)' : 'p.units';
  return {
    name: `${cell} ${name}${isHalf ? ', f16' : ''}`,
    isHalf,
    reals: [...fusedBackwardReals, 'weight', 'behind'],
    blocks,
    sources: blocks,
    isForward: false,
    library: variables(1) + library,
    weightAt: (block, k, unit) => `(${block}u * ${ofBlock} + ${k}) * p.units + ${unit}`,
    finish: (sums) => `product[0] = ${sums.join(' + ')};`,
  };
}

type Cells<Real extends string> = Readonly<Record<CellKind, FusedCell<Real>>>;

/** By precision: `f16` for weights in half precision. */
function each<Real extends string>(
  make: (cell: CellKind, isHalf: boolean) => FusedCell<Real>,
): Readonly<Record<'float32' | 'f16', Cells<Real>>> {
  const cells = (isHalf: boolean): Cells<Real> => ({
    elman: make('elman', isHalf),
    gru: make('gru', isHalf),
    lstm: make('lstm', isHalf),
  });
  return { float32: cells(false), f16: cells(true) };
}

export const fusedForwards = each(forwards);
export const fusedBackwards = each((cell, isHalf) =>
  backwards(cell, fusedBackward(cell), 'backward', isHalf),
);
/** Only ∂L/∂h before the first step. */
export const fusedCarries = each((cell, isHalf) => backwards(cell, fusedCarry, 'carry', isHalf));

/**
 * WGSL: the multiply-adds of all blocks and rows for one k, or in half precision for the two of a pair. `weightOf(block)` reads a factor or a pair of them; `left(i,
 * block, half)` is what it is multiplied by in row i, `half` being which of a pair, `sum(i, block)` where it is added.
 */
export function multiplyAdds(
  { blocks, isHalf }: FusedCell,
  rows: number,
  weightOf: (block: number) => string,
  left: (i: number, block: number, half: number) => string,
  sum: (i: number, block: number) => string,
): string {
  const own = Array.from({ length: rows }, (_, i) => i);
  const all = Array.from({ length: blocks }, (_, b) => b);
  const adds = (half: number, member: string) =>
    own.flatMap((i) =>
      all.map((b) => `${sum(i, b)} = fma(${left(i, b, half)}, w${b}${member}, ${sum(i, b)});`),
    );
  return [
    ...all.map((b) => `let w${b} = ${weightOf(b)};`),
    ...(isHalf ? [...adds(0, '.x'), ...adds(1, '.y')] : adds(0, '')),
  ].join('\n      ');
}

/**
 * WGSL: the cells of one unit in `rows` rows whose sums are in registers, `sum(i, block)` for row `rowAt(i)`. In a loop, since compilers put every function
 * in the place of its call: the cell is long, and must not be compiled once for each row.
 */
export function finishRows(
  { blocks, finish }: FusedCell,
  rows: number,
  sum: (i: number, block: number) => string,
  rowAt: (i: string) => string,
): string {
  const chosen = (block: number) =>
    Array.from({ length: rows - 1 }, (_, i) => i).reduce(
      (others, i) => `select(${others}, ${sum(i, block)}, i == ${i}u)`,
      sum(rows - 1, block),
    );
  return `for (var i = 0u; i < ${rows}u; i++) {
    let n = ${rowAt('i')};
    if (n < p.N) {
      ${finish(Array.from({ length: blocks }, (_, block) => chosen(block)))}
      cell(n, u);
    }
  }`;
}
