import type { AdagradStep, AdamStep, OptimizerEntry, Parameter, RmspropStep, SgdStep } from '../backend.ts';
import { wholePower } from '../elementary.ts';
import { type Door, expectNumber, type RealArray, type Region } from '../engine.ts';
import { expectRole } from './products.ts';

function likeParameter<R extends Region>(
  engine: Door<R, unknown>,
  tensor: Parameter,
  label: string,
  parameter: Parameter,
): R {
  expectRole(tensor, label, parameter);
  return engine.reals(tensor, label, parameter.shape);
}

function checkEntry<R extends Region>(
  engine: Door<R, unknown>,
  { parameter, gradient, weightDecay }: OptimizerEntry,
) {
  const p = engine.reals(parameter, 'parameter');
  return { p, g: likeParameter(engine, gradient, 'gradient', parameter), weightDecay };
}

export interface CheckedSgdEntry<R = RealArray> {
  readonly p: R;
  readonly g: R;
  /** null: no momentum. */
  readonly velocity: R | null;
  readonly weightDecay: number;
}

/** Entries are checked one by one as they are asked for. */
export function* checkSgd<R extends Region>(
  engine: Door<R, unknown>,
  call: SgdStep,
): Generator<CheckedSgdEntry<R>> {
  for (const entry of call.entries) {
    const checked = checkEntry(engine, entry);
    if (entry.velocity === null && call.momentum !== 0)
      throw new TypeError('Expected a velocity for momentum above 0.');
    const velocity = entry.velocity && likeParameter(engine, entry.velocity, 'velocity', entry.parameter);
    yield { ...checked, velocity };
  }
}

/** What AdamW multiplies a parameter by before the step; `weightDecay` is what is left to add to the gradient. */
export interface Decay {
  readonly kept: number;
  readonly weightDecay: number;
}

export interface CheckedAdamEntry<R = RealArray> extends Decay {
  readonly p: R;
  readonly g: R;
  readonly m: R;
  readonly v: R;
}

/** Entries of `rmspropStep`, checked one by one as they are asked for. */
export function* checkRmsprop<R extends Region>(engine: Door<R, unknown>, call: RmspropStep) {
  for (const entry of call.entries) {
    const checked = checkEntry(engine, entry);
    if (entry.velocity === null && call.momentum !== 0)
      throw new TypeError('Expected a velocity for momentum above 0.');
    const velocity = entry.velocity && likeParameter(engine, entry.velocity, 'velocity', entry.parameter);
    yield { ...checked, v: likeParameter(engine, entry.square, 'square', entry.parameter), velocity };
  }
}

export function* checkAdagrad<R extends Region>(engine: Door<R, unknown>, call: AdagradStep) {
  for (const entry of call.entries)
    yield {
      ...checkEntry(engine, entry),
      sum: likeParameter(engine, entry.sum, 'sum', entry.parameter),
    };
}

/** `rate`: the learning rate over 1 − β₁ᵗ; `root`: √(1 − β₂ᵗ). */
export function checkAdam<R extends Region>(engine: Door<R, unknown>, call: AdamStep) {
  const { learningRate, beta1, beta2, step, decoupled = false } = call;
  expectNumber(step, 'adam step', Number.isSafeInteger(step) && step >= 1, 'a whole number from 1');
  function* entries(): Generator<CheckedAdamEntry<R>> {
    for (const entry of call.entries) {
      const checked = checkEntry(engine, entry);
      const m = likeParameter(engine, entry.first, 'first moment', entry.parameter);
      const v = likeParameter(engine, entry.second, 'second moment', entry.parameter);
      const decay: Decay = decoupled
        ? { kept: 1 - learningRate * entry.weightDecay, weightDecay: 0 }
        : { kept: 1, weightDecay: entry.weightDecay };
      yield { ...checked, ...decay, m, v };
    }
  }
  return {
    rate: learningRate / (1 - wholePower(beta1, step)),
    root: Math.sqrt(1 - wholePower(beta2, step)),
    entries,
  };
}
