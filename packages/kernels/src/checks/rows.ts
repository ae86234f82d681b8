import type {
  Concatenate,
  GatherRows,
  ScaleRows,
  ScatterAddRows,
  Split,
  Tanh,
  TanhBackward,
  Tensor,
} from '../backend.ts';
import {
  columnsOf,
  type Door,
  expectNumber,
  expectSeparate,
  type RealArray,
  type Region,
  rowsOf,
  sizeOf,
} from '../engine.ts';

function expectPlain(tensor: Tensor, label: string): void {
  if ('role' in tensor) throw new TypeError(`Expected a plain tensor for ${label} but received a parameter.`);
}

function expectIndices(indices: Int32Array, label: string, count: number): void {
  for (let r = 0; r < indices.length; r++)
    if (indices[r]! < -1 || indices[r]! >= count)
      throw new RangeError(
        `Expected indices from -1 to ${count - 1} for ${label} but received ${indices[r]} at ${r}.`,
      );
}

/** Rows of `K` elements; those of an int tensor are its elements. */
export interface CheckedGather<R = RealArray> {
  readonly K: number;
  readonly source: R | Int32Array;
  readonly indices: Int32Array;
  readonly output: R | Int32Array;
}

export function checkGather<R extends Region>(engine: Door<R, unknown>, call: GatherRows): CheckedGather<R> {
  expectPlain(call.source, 'gather source');
  expectPlain(call.output, 'gather output');
  const isInt = call.source.type === 'int';
  const values = (tensor: Tensor, label: string) =>
    isInt ? engine.ints(tensor, label) : engine.reals(tensor, label);
  const source = values(call.source, 'gather source');
  const output = values(call.output, 'gather output');
  const K = isInt ? 1 : columnsOf(call.source);
  if (!isInt) expectNumber(columnsOf(call.output), 'gather columns', columnsOf(call.output) === K, `${K}`);
  const rows = isInt ? sizeOf(call.output.shape) : rowsOf(call.output);
  const indices = engine.ints(call.indices, 'gather indices');
  expectNumber(indices.length, 'the number of gather indices', indices.length === rows, `${rows}`);
  expectIndices(indices, 'gather', isInt ? sizeOf(call.source.shape) : rowsOf(call.source));
  expectSeparate(call.output, 'gather output', [call.source, call.indices]);
  return { K, source, indices, output };
}

export interface CheckedScatter<R = RealArray> {
  readonly K: number;
  /** Rows of the target. */
  readonly count: number;
  readonly source: R;
  readonly indices: Int32Array;
  readonly target: R;
}

export function checkScatter<R extends Region>(
  engine: Door<R, unknown>,
  call: ScatterAddRows,
): CheckedScatter<R> {
  expectPlain(call.source, 'scatter source');
  expectPlain(call.target, 'scatter target');
  const source = engine.reals(call.source, 'scatter source');
  const target = engine.reals(call.target, 'scatter target');
  const K = columnsOf(call.target);
  expectNumber(columnsOf(call.source), 'scatter columns', columnsOf(call.source) === K, `${K}`);
  const indices = engine.ints(call.indices, 'scatter indices');
  const rows = rowsOf(call.source);
  expectNumber(indices.length, 'the number of scatter indices', indices.length === rows, `${rows}`);
  const count = rowsOf(call.target);
  expectIndices(indices, 'scatter', count);
  expectSeparate(call.target, 'scatter target', [call.source, call.indices]);
  return { K, count, source, indices, target };
}

/** Columns of one tensor that stand beside others'. */
export interface Part<R = RealArray> {
  readonly values: R;
  readonly columns: number;
}

/** `whole` [rows, columns] and the parts it is made of, first to last. */
export interface CheckedColumns<R = RealArray> {
  readonly rows: number;
  readonly columns: number;
  readonly whole: R;
  readonly parts: readonly Part<R>[];
}

function checkColumns<R extends Region>(
  engine: Door<R, unknown>,
  label: string,
  whole: Tensor,
  parts: readonly Tensor[],
): CheckedColumns<R> {
  expectPlain(whole, `the whole of ${label}`);
  const lead = whole.shape.slice(0, -1);
  const checked = parts.map((part, i) => {
    expectPlain(part, `part ${i} of ${label}`);
    const columns = columnsOf(part);
    return { values: engine.reals(part, `part ${i} of ${label}`, [...lead, columns]), columns };
  });
  const columns = checked.reduce((sum, part) => sum + part.columns, 0);
  const values = engine.reals(whole, `the whole of ${label}`, [...lead, columns]);
  return { rows: rowsOf(whole), columns, whole: values, parts: checked };
}

export function checkConcatenate<R extends Region>(
  engine: Door<R, unknown>,
  call: Concatenate,
): CheckedColumns<R> {
  const checked = checkColumns(engine, 'concatenate', call.output, call.inputs);
  expectSeparate(call.output, 'concatenate output', call.inputs);
  return checked;
}

export function checkSplit<R extends Region>(engine: Door<R, unknown>, call: Split): CheckedColumns<R> {
  const checked = checkColumns(engine, 'split', call.input, call.outputs);
  call.outputs.forEach((output, i) => {
    expectSeparate(output, 'split output', [call.input, ...call.outputs.slice(0, i)]);
  });
  return checked;
}

export interface CheckedScaleRows<R = RealArray> {
  readonly K: number;
  readonly input: R;
  readonly factors: R;
  readonly output: R;
}

export function checkScaleRows<R extends Region>(
  engine: Door<R, unknown>,
  call: ScaleRows,
): CheckedScaleRows<R> {
  const input = engine.reals(call.input, 'scaleRows input');
  const factors = engine.reals(call.factors, 'scaleRows factors', call.input.shape.slice(0, -1));
  const output = engine.reals(call.output, 'scaleRows output', call.input.shape);
  if (call.output !== call.input) expectSeparate(call.output, 'scaleRows output', [call.input]);
  expectSeparate(call.output, 'scaleRows output', [call.factors]);
  return { K: columnsOf(call.input), input, factors, output };
}

export function checkTanh<R extends Region>(engine: Door<R, unknown>, call: Tanh) {
  const input = engine.reals(call.input, 'tanh input');
  const output = engine.reals(call.output, 'tanh output', call.input.shape);
  if (call.output !== call.input) expectSeparate(call.output, 'tanh output', [call.input]);
  return { input, output };
}

export function checkTanhBackward<R extends Region>(engine: Door<R, unknown>, call: TanhBackward) {
  const { shape } = call.output;
  const output = engine.reals(call.output, 'tanh output');
  const dOutput = engine.reals(call.dOutput, 'tanh dOutput', shape);
  const dInput = engine.reals(call.dInput, 'tanh dInput', shape);
  if (call.dInput !== call.dOutput) expectSeparate(call.dInput, 'tanh dInput', [call.dOutput]);
  expectSeparate(call.dInput, 'tanh dInput', [call.output]);
  return { output, dOutput, dInput };
}
