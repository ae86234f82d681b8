import type {
  Concatenate,
  GatherRows,
  ScaleRows,
  ScatterAddRows,
  Split,
  Tanh,
  TanhBackward,
} from '../backend.ts';
import {
  checkConcatenate,
  checkGather,
  checkScaleRows,
  checkScatter,
  checkSplit,
  checkTanh,
  checkTanhBackward,
} from '../checks/rows.ts';
import { hyperbolicTangent } from '../elementary.ts';
import type { Engine } from '../engine.ts';
import { scatterAdd } from './embedding.ts';

export function gatherRows(engine: Engine, call: GatherRows): void {
  const { K, source, indices, output } = checkGather(engine, call);
  for (let r = 0; r < indices.length; r++) {
    const from = indices[r]! * K;
    if (from < 0) output.fill(0, r * K, (r + 1) * K);
    else for (let k = 0; k < K; k++) output[r * K + k] = source[from + k]!;
  }
}

export function scatterAddRows(engine: Engine, call: ScatterAddRows): void {
  const { K, count, source, indices, target } = checkScatter(engine, call);
  scatterAdd(engine, indices, count, source, 0, K, K, target, 0, K);
}

export function concatenate(engine: Engine, call: Concatenate): void {
  const { rows, columns, whole, parts } = checkConcatenate(engine, call);
  let at = 0;
  for (const { values, columns: width } of parts) {
    for (let r = 0; r < rows; r++)
      for (let k = 0; k < width; k++) whole[r * columns + at + k] = values[r * width + k]!;
    at += width;
  }
}

export function split(engine: Engine, call: Split): void {
  const { rows, columns, whole, parts } = checkSplit(engine, call);
  let at = 0;
  for (const { values, columns: width } of parts) {
    if (!call.accumulate) values.fill(0);
    for (let r = 0; r < rows; r++)
      for (let k = 0; k < width; k++)
        values[r * width + k] = values[r * width + k]! + whole[r * columns + at + k]!;
    at += width;
  }
}

export function scaleRows(engine: Engine, call: ScaleRows): void {
  const { K, input, factors, output } = checkScaleRows(engine, call);
  for (let r = 0; r < factors.length; r++)
    for (let i = r * K; i < (r + 1) * K; i++) output[i] = factors[r]! * input[i]!;
}

export function tanh(engine: Engine, call: Tanh): void {
  const { input, output } = checkTanh(engine, call);
  for (let i = 0; i < input.length; i++) output[i] = hyperbolicTangent(input[i]!);
}

export function tanhBackward(engine: Engine, call: TanhBackward): void {
  const { output, dOutput, dInput } = checkTanhBackward(engine, call);
  for (let i = 0; i < output.length; i++) dInput[i] = dOutput[i]! * (1 - output[i]! * output[i]!);
}
