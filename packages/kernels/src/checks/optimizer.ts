import type { AdamStep, OptimizerEntry, Parameter, SgdStep } from '../backend.ts';
import { wholePower } from '../elementary.ts';
import { type Engine, expectNumber, type RealArray } from '../engine.ts';
import { expectRole } from './products.ts';

function likeParameter(engine: Engine, tensor: Parameter, label: string, parameter: Parameter): RealArray {
  expectRole(tensor, label, parameter);
  return engine.reals(tensor, label, parameter.shape);
}

function checkEntry(engine: Engine, { parameter, gradient, weightDecay }: OptimizerEntry) {
  const p = engine.reals(parameter, 'parameter');
  return { p, g: likeParameter(engine, gradient, 'gradient', parameter), weightDecay };
}

export interface CheckedSgdEntry {
  readonly p: RealArray;
  readonly g: RealArray;
  /** null: no momentum. */
  readonly velocity: RealArray | null;
  readonly weightDecay: number;
}

/** Entries are checked one by one as they are asked for. */
export function* checkSgd(engine: Engine, call: SgdStep): Generator<CheckedSgdEntry> {
  for (const entry of call.entries) {
    const checked = checkEntry(engine, entry);
    if (entry.velocity === null && call.momentum !== 0)
      throw new TypeError('Expected a velocity for momentum above 0.');
    const velocity = entry.velocity && likeParameter(engine, entry.velocity, 'velocity', entry.parameter);
    yield { ...checked, velocity };
  }
}

export interface CheckedAdamEntry {
  readonly p: RealArray;
  readonly g: RealArray;
  readonly m: RealArray;
  readonly v: RealArray;
  readonly weightDecay: number;
}

/** `rate`: the learning rate over 1 − β₁ᵗ; `root`: √(1 − β₂ᵗ). */
export function checkAdam(engine: Engine, call: AdamStep) {
  const { learningRate, beta1, beta2, step } = call;
  expectNumber(step, 'adam step', Number.isSafeInteger(step) && step >= 1, 'a whole number from 1');
  function* entries(): Generator<CheckedAdamEntry> {
    for (const entry of call.entries) {
      const checked = checkEntry(engine, entry);
      const m = likeParameter(engine, entry.first, 'first moment', entry.parameter);
      const v = likeParameter(engine, entry.second, 'second moment', entry.parameter);
      yield { ...checked, m, v };
    }
  }
  return {
    rate: learningRate / (1 - wholePower(beta1, step)),
    root: Math.sqrt(1 - wholePower(beta2, step)),
    entries,
  };
}
