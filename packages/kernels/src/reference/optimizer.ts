import type { AdamStep, SgdStep } from '../backend.ts';
import { checkAdam, checkSgd } from '../checks/optimizer.ts';
import type { Engine } from '../engine.ts';

/** Stochastic gradient descent as torch.optim.SGD, each element in double and rounded when it is stored. */
export function sgdStep(engine: Engine, call: SgdStep): void {
  const { learningRate, momentum, nesterov } = call;
  for (const { p, g, velocity: b, weightDecay } of checkSgd(engine, call)) {
    if (b === null) {
      for (let i = 0; i < p.length; i++) p[i] = p[i]! - learningRate * (g[i]! + weightDecay * p[i]!);
      continue;
    }
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
  const { beta1, beta2, epsilon } = call;
  const { rate, root, entries } = checkAdam(engine, call);
  for (const { p, g, m, v, weightDecay } of entries()) {
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
