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
  /** How many blocks of H numbers are multiplied: 1, shared by all blocks of weightHh, or one for each. */
  readonly sources: number;
  readonly isForward: boolean;
  /** WGSL: the function `cell(n, u)`, which finds the sums in `product` and the length of each in `inner_size`. */
  readonly library: string;
  /** WGSL: where in `weight` the factor of block b, unit u, stands for k. */
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

function forwards(cell: CellKind): FusedCell<FusedForwardReal> {
  const blocks = hiddenBlocks[cell];
  return {
    name: `${cell} forward`,
    reals: [...fusedForwardReals, 'weight'],
    blocks,
    sources: 1,
    isForward: true,
    library: variables(blocks) + fusedForward(cell),
    weightAt: (block, k, unit) => `${k} * p.weight_k + (${block}u * p.units + ${unit}) * p.weight_row`,
    finish: (sums) => sums.map((sum, block) => `product[${block}] = ${sum};`).join(' '),
  };
}

function backwards(cell: CellKind, library: string, name: string): FusedCell<FusedBackwardReal> {
  const blocks = hiddenBlocks[cell];
  return {
    name: `${cell} ${name}`,
    reals: [...fusedBackwardReals, 'weight', 'behind'],
    blocks,
    sources: blocks,
    isForward: false,
    library: variables(1) + library,
    weightAt: (block, k, unit) => `(${block}u * p.units + ${k}) * p.units + ${unit}`,
    finish: (sums) => `product[0] = ${sums.join(' + ')};`,
  };
}

const each = <Real extends string>(
  make: (cell: CellKind) => FusedCell<Real>,
): Readonly<Record<CellKind, FusedCell<Real>>> => ({
  elman: make('elman'),
  gru: make('gru'),
  lstm: make('lstm'),
});

export const fusedForwards = each(forwards);
export const fusedBackwards = each((cell) => backwards(cell, fusedBackward(cell), 'backward'));
/** Only ∂L/∂h before the first step. */
export const fusedCarries = each((cell) => backwards(cell, fusedCarry, 'carry'));

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
