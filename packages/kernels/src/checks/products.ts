import type { DenseBackward, DenseForward, MatrixProduct, Parameter, Tensor } from '../backend.ts';
import {
  columnsOf,
  type Door,
  expectSeparate,
  expectShape,
  type RealArray,
  type Region,
  rowsOf,
} from '../engine.ts';
import { tableShape } from '../roles.ts';

/** A matrix product after its checks: op(a) is [M,K], op(b) [K,P]. */
export interface CheckedMatmul<R = RealArray> {
  readonly M: number;
  readonly K: number;
  readonly P: number;
  readonly a: R;
  readonly b: R;
  readonly bias: R | null;
  readonly output: R;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly accumulate: boolean;
}

export function checkMatmul<R extends Region>(
  engine: Door<R, unknown>,
  call: MatrixProduct,
): CheckedMatmul<R> {
  const { transposeA = false, transposeB = false, accumulate = false } = call;
  for (const [tensor, label] of [
    [call.a, 'a'],
    [call.b, 'b'],
    [call.output, 'output'],
  ] as const)
    if ('role' in tensor)
      throw new TypeError(`Expected a plain tensor for matmul ${label} but received a parameter.`);
  const a = engine.reals(call.a, 'matmul a');
  const b = engine.reals(call.b, 'matmul b');
  const [aRows, aColumns] = [rowsOf(call.a), columnsOf(call.a)];
  const [bRows, bColumns] = [rowsOf(call.b), columnsOf(call.b)];
  const [M, K] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [P, inner] = transposeB ? [bRows, bColumns] : [bColumns, bRows];
  if (inner !== K) throw new RangeError(`Expected ${K} rows for matmul op(b) but received ${inner}.`);
  const output = engine.reals(call.output, 'matmul output');
  if (rowsOf(call.output) !== M || columnsOf(call.output) !== P)
    expectShape(call.output, 'matmul output', [M, P]);
  const bias = call.bias ? engine.reals(call.bias, 'matmul bias', [P]) : null;
  expectSeparate(call.output, 'matmul output', [call.a, call.b, call.bias ?? null]);
  return { M, K, P, a, b, bias, output, transposeA, transposeB, accumulate };
}

/** `plain`: the weight is an embedding's table, row-major in every engine. */
interface CheckedDense<R = RealArray> {
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly input: R;
  readonly weight: R;
  readonly plain: boolean;
}

/** The contents of `tensor`, whose shape must be that of `like` but for the last dimension, `columns`. */
function rowsLike<R extends Region>(
  engine: Door<R, unknown>,
  tensor: Tensor,
  label: string,
  like: Tensor,
  columns: number,
): R {
  const array = engine.reals(tensor, label);
  const { shape } = tensor;
  const last = like.shape.length - 1;
  let same = shape.length === last + 1 && shape[last] === columns;
  for (let i = 0; i < last; i++) same &&= shape[i] === like.shape[i];
  if (!same) expectShape(tensor, label, [...like.shape.slice(0, -1), columns]);
  return array;
}

function checkDense<R extends Region>(
  engine: Door<R, unknown>,
  call: DenseForward | DenseBackward,
): CheckedDense<R> {
  const { use } = call.weight.role;
  if (use !== 'dense' && use !== 'embedding')
    throw new TypeError(
      `Expected a parameter of role dense or embedding for the dense weight but received ${use}.`,
    );
  const [outputs, inputs] = tableShape(call.weight);
  const input = rowsLike(engine, call.input, 'dense input', call.input, inputs);
  const weight = engine.reals(call.weight, 'dense weight');
  return { rows: rowsOf(call.input), inputs, outputs, input, weight, plain: use === 'embedding' };
}

export interface CheckedDenseForward<R = RealArray> extends CheckedDense<R> {
  readonly bias: R | null;
  readonly output: R;
}

export function checkDenseForward<R extends Region>(
  engine: Door<R, unknown>,
  call: DenseForward,
): CheckedDenseForward<R> {
  // Generation comes here for every token: field by field, as V8 is slow to spread an object.
  const { rows, inputs, outputs, input, weight, plain } = checkDense(engine, call);
  const output = rowsLike(engine, call.output, 'dense output', call.input, outputs);
  const bias = call.bias && engine.reals(call.bias, 'dense bias', [outputs]);
  expectSeparate(call.output, 'dense output', [call.input, call.weight, call.bias]);
  return { rows, inputs, outputs, input, weight, plain, bias, output };
}

export interface CheckedDenseBackward<R = RealArray> extends CheckedDense<R> {
  readonly dOutput: R;
  readonly dInput: R | null;
  readonly dWeight: R | null;
  readonly dBias: R | null;
}

export function checkDenseBackward<R extends Region>(
  engine: Door<R, unknown>,
  call: DenseBackward,
): CheckedDenseBackward<R> {
  const checked = checkDense(engine, call);
  const dOutput = rowsLike(engine, call.dOutput, 'dense dOutput', call.input, checked.outputs);
  const dInput = call.dInput && engine.reals(call.dInput, 'dense dInput', call.input.shape);
  const dWeight = call.dWeight && engine.reals(call.dWeight, 'dense dWeight', call.weight.shape);
  if (call.dWeight) expectRole(call.dWeight, 'dense dWeight', call.weight);
  const dBias = call.dBias && engine.reals(call.dBias, 'dense dBias', [checked.outputs]);
  expectSeparate(call.dInput, 'dense dInput', [call.dOutput, call.input, call.weight]);
  return { ...checked, dOutput, dInput, dWeight, dBias };
}

/** Throws unless two parameters have one role, hence one layout. */
export function expectRole(parameter: Parameter, label: string, like: Parameter): void {
  if (parameter.role.use !== like.role.use)
    throw new TypeError(
      `Expected the role ${like.role.use} for ${label} but received ${parameter.role.use}.`,
    );
}
