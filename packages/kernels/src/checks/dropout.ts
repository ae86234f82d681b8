import type { Dropout } from '../backend.ts';
import { type Door, expectNumber, expectSeparate, type RealArray, type Region } from '../engine.ts';

export interface CheckedDropout<R = RealArray> {
  readonly T: number;
  readonly N: number;
  readonly H: number;
  readonly input: R;
  readonly output: R;
  readonly sequences: Int32Array | null;
}

export function checkDropout<R extends Region>(engine: Door<R, unknown>, call: Dropout): CheckedDropout<R> {
  const [T, N, H] = call.input.shape;
  if (call.input.shape.length !== 3 || T === undefined || N === undefined || H === undefined)
    throw new RangeError(
      `Expected [T, N, H] for dropout input but received [${call.input.shape.join(', ')}].`,
    );
  const input = engine.reals(call.input, 'dropout input');
  const output = engine.reals(call.output, 'dropout output', call.input.shape);
  const sequences = call.sequences && engine.ints(call.sequences, 'dropout sequences', [N]);
  expectNumber(call.rate, 'dropout rate', call.rate >= 0 && call.rate < 1, 'at least 0 and below 1');
  if (call.output !== call.input) expectSeparate(call.output, 'dropout output', [call.input]);
  return { T, N, H, input, output, sequences };
}
