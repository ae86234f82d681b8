import { gridFor, gridOf } from './grid.ts';
import { largestOfAll, largestOfRows } from './largest.ts';
import { type MatrixKernel, tileOf } from './matrix-kernel.ts';
import type { Place } from './place.ts';
import { plainKernel, productKernel, type Rounded, readers, type Tile } from './product-kernels.ts';
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
  /** `gradients`: of a, which half precision would lose as they stand; default `values`, of both operands; `exact`: to be rounded in no precision. */
  readonly operands?: 'values' | 'gradients' | 'exact';
  /** Of one step of a layer, which must have the bits that the layer's fused kernels give it. Default false. */
  readonly isStep?: boolean;
}

/** Up to this many multiply-adds the kernel without tiles is the faster one. */
const plainWork = 2 ** 15;
const large: Tile = { rows: 64, columns: 64, depth: 16, threadRows: 4, threadColumns: 4 };
const small: Tile = { rows: 16, columns: 32, depth: 32, threadRows: 2, threadColumns: 2 };

const byRounding = (rounded: Rounded) => ({
  plain: plainKernel(rounded),
  large: {
    tile: large,
    kernel: productKernel(`product, large tiles${readers(rounded).suffix}`, large, rounded),
  },
  small: {
    tile: small,
    kernel: productKernel(`product, small tiles${readers(rounded).suffix}`, small, rounded),
  },
});
const kernels = { none: byRounding('none'), b: byRounding('b'), both: byRounding('both') };
/** Up to this many elements of output, small tiles keep more of the GPU busy. */
const smallOutput = 2 ** 18;

/** From so many on, of K and of the columns, matrix units are worth their tiles: never by the rows, which must not decide a row's bits. */
const fewestForMatrices = 32;

/** Matrix products of a backend. */
export interface Products {
  /** output (+)= a · b + bias. */
  multiply(product: Product): void;
  /** output += a · b where K is the rows of a batch, many, and the output small: blocks of rows are summed beside each other, then their sums in order. The output's rows are adjacent. */
  addOuterProduct(product: Omit<Product, 'outputRow' | 'bias' | 'accumulate'>): void;
}

/**
 * @param precision f16: operands are rounded to half precision, sums stay in float32. Gradients are not, but where matrix units take nothing else: there each row is scaled
 * by a power of two beforehand, or all of them by one where rows are summed over.
 * @param matrices the kernel for the device's matrix units; null: it has none, or they are not to be used
 */
export function createProducts(
  recorder: Recorder,
  scratch: Scratch,
  precision: 'float32' | 'f16',
  matrices: MatrixKernel | null,
): Products {
  function roundedOf({ operands = 'values' }: Product): Rounded {
    if (precision === 'float32' || operands === 'exact') return 'none';
    return operands === 'gradients' ? 'b' : 'both';
  }

  function enqueue(product: Product, block: number, largest: Place | null = null): void {
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
    const grid = ({ rows, columns }: Pick<Tile, 'rows' | 'columns'>) => {
      const across = Math.ceil(P / columns);
      const tiles = Math.ceil(M / rows) * across;
      return { numbers: { ...shape, across, tiles }, groups: [...gridOf(tiles), planes] as const };
    };
    if (isForMatrices(product)) {
      const { numbers, groups } = grid(tileOf);
      const call = { reals: { ...reals, largest }, ints: {} };
      const perRow = Number(largest !== null && largest.length > 1);
      recorder.dispatch(matrices!, { ...call, numbers: { ...numbers, largest_row: perRow } }, groups);
      return;
    }
    const of = kernels[roundedOf(product)];
    if (M * K * P <= plainWork) {
      const count = M * P * planes;
      recorder.dispatch(of.plain, { reals, ints: {}, numbers: { ...shape, count } }, gridFor(count));
      return;
    }
    const { tile, kernel } = of[M * P * planes <= smallOutput ? 'small' : 'large'];
    const { numbers, groups } = grid(tile);
    recorder.dispatch(kernel, { reals, ints: {}, numbers }, groups);
  }

  const isForMatrices = ({ K, P, operands = 'values', isStep = false }: Product): boolean =>
    matrices !== null && operands !== 'exact' && !isStep && Math.min(K, P) >= fewestForMatrices;

  return {
    multiply(product) {
      const { a, M, K, operands } = product;
      const isScaled = isForMatrices(product) && operands === 'gradients';
      const largest = isScaled ? largestOfRows(recorder, scratch, a.place, a.row, M, K) : null;
      enqueue(product, Math.max(1, K), largest);
    },
    addOuterProduct(product) {
      const { a, M, K, P, output } = product;
      if (K === 0) return;
      const whole = { ...product, outputRow: P };
      const block = blockOf(K);
      const count = Math.ceil(K / block);
      // Rows of a batch are the gradients' rows here, too: a is their transpose.
      const largest = isForMatrices(whole)
        ? largestOfAll(recorder, scratch, largestOfRows(recorder, scratch, a.place, a.column, K, M))
        : null;
      if (count === 1) {
        enqueue({ ...whole, accumulate: true }, block, largest);
        return;
      }
      const planes = scratch('planes', count * M * P);
      enqueue({ ...whole, output: planes }, block, largest);
      addPlanes(recorder, planes, count, M * P, output);
    },
  };
}
