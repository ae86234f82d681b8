import type { Tensor } from '../backend.ts';
import { type Engine, expectNumber } from '../engine.ts';

/** √Σ x² over all tensors in their order, in double. */
export function globalNorm(engine: Engine, call: { tensors: readonly Tensor[]; norm: Tensor }): void {
  let sum = 0;
  for (const tensor of call.tensors) {
    const x = engine.reals(tensor, 'norm tensor');
    let part = 0;
    for (let i = 0; i < x.length; i++) part += x[i]! * x[i]!;
    sum += part;
  }
  engine.doubles(call.norm, 'norm')[0] = Math.sqrt(sum);
}

export function clipByNorm(
  engine: Engine,
  call: { tensors: readonly Tensor[]; norm: Tensor; maximum: number },
): void {
  expectNumber(call.maximum, 'clip norm', call.maximum > 0, 'a number above 0');
  const factor = call.maximum / (engine.doubles(call.norm, 'norm')[0]! + 1e-6);
  // False for NaN, which then reaches every gradient.
  if (factor >= 1) return;
  for (const tensor of call.tensors) {
    const x = engine.reals(tensor, 'clip tensor');
    for (let i = 0; i < x.length; i++) x[i] = x[i]! * factor;
  }
}

export function clipByValue(engine: Engine, call: { tensors: readonly Tensor[]; maximum: number }): void {
  const { maximum } = call;
  expectNumber(maximum, 'clip value', maximum > 0, 'a number above 0');
  for (const tensor of call.tensors) {
    const x = engine.reals(tensor, 'clip tensor');
    for (let i = 0; i < x.length; i++) {
      if (x[i]! > maximum) x[i] = maximum;
      else if (x[i]! < -maximum) x[i] = -maximum;
    }
  }
}

export function countNonFinite(engine: Engine, call: { tensors: readonly Tensor[]; count: Tensor }): void {
  let count = 0;
  for (const tensor of call.tensors) {
    // A loss is a double, a parameter a real; both can be asked.
    const x = tensor.type === 'double' ? engine.doubles(tensor, 'checked') : engine.reals(tensor, 'checked');
    for (let i = 0; i < x.length; i++) if (!Number.isFinite(x[i]!)) count++;
  }
  engine.doubles(call.count, 'count')[0] = count;
}
