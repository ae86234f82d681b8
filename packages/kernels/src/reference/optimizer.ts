import type { AdamStep, OptimizerEntry, Parameter, SgdStep } from '../backend.ts';
import { wholePower } from '../elementary.ts';
import { type Engine, expectNumber, type RealArray } from './engine.ts';

interface Arrays {
  readonly p: RealArray;
  readonly g: RealArray;
}

function arraysOf(engine: Engine, { parameter, gradient }: OptimizerEntry): Arrays {
  return { p: engine.reals(parameter, 'parameter'), g: like(engine, gradient, 'gradient', parameter) };
}

function like(engine: Engine, tensor: Parameter, label: string, parameter: Parameter): RealArray {
  if (tensor.role.use !== parameter.role.use)
    throw new TypeError(
      `Expected the role ${parameter.role.use} for ${label} but received ${tensor.role.use}.`,
    );
  return engine.reals(tensor, label, parameter.shape);
}

/** Stochastic gradient descent as torch.optim.SGD, each element in double and rounded when it is stored. */
export function sgdStep(engine: Engine, call: SgdStep): void {
  const { learningRate, momentum, nesterov } = call;
  for (const entry of call.entries) {
    const { p, g } = arraysOf(engine, entry);
    const { weightDecay } = entry;
    if (entry.velocity === null) {
      if (momentum !== 0) throw new TypeError('Expected a velocity for momentum above 0.');
      for (let i = 0; i < p.length; i++) p[i] = p[i]! - learningRate * (g[i]! + weightDecay * p[i]!);
      continue;
    }
    const b = like(engine, entry.velocity, 'velocity', entry.parameter);
    for (let i = 0; i < p.length; i++) {
      const d = g[i]! + weightDecay * p[i]!;
      const velocity = momentum * b[i]! + d;
      b[i] = velocity;
      p[i] = p[i]! - learningRate * (nesterov ? d + momentum * velocity : velocity);
    }
  }
}

/** Adam as torch.optim.Adam, each element in double and rounded when it is stored. */
export function adamStep(engine: Engine, call: AdamStep): void {
  const { learningRate, beta1, beta2, epsilon, step } = call;
  expectNumber(step, 'adam step', Number.isSafeInteger(step) && step >= 1, 'a whole number from 1');
  const rate = learningRate / (1 - wholePower(beta1, step));
  const root = Math.sqrt(1 - wholePower(beta2, step));
  for (const entry of call.entries) {
    const { p, g } = arraysOf(engine, entry);
    const { weightDecay } = entry;
    const m = like(engine, entry.first, 'first moment', entry.parameter);
    const v = like(engine, entry.second, 'second moment', entry.parameter);
    for (let i = 0; i < p.length; i++) {
      const d = g[i]! + weightDecay * p[i]!;
      const first = beta1 * m[i]! + (1 - beta1) * d;
      const second = beta2 * v[i]! + (1 - beta2) * d * d;
      m[i] = first;
      v[i] = second;
      p[i] = p[i]! - (rate * first) / (Math.sqrt(second) / root + epsilon);
    }
  }
}
