import type { AdagradStep, AdamStep, RmspropStep, SgdStep } from '../backend.ts';
import { checkAdagrad, checkAdam, checkRmsprop, checkSgd } from '../checks/optimizer.ts';
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

/** Adam as torch.optim.Adam and AdamW, each element in double and rounded when it is stored; a decoupled decay is stored before the step, as PyTorch does it. */
export function adamStep(engine: Engine, call: AdamStep): void {
  const { beta1, beta2, epsilon } = call;
  const { rate, root, entries } = checkAdam(engine, call);
  for (const { p, g, m, v, kept, weightDecay } of entries()) {
    if (kept !== 1) for (let i = 0; i < p.length; i++) p[i] = kept * p[i]!;
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

/** RMSprop as torch.optim.RMSprop, each element in double and rounded when it is stored. */
export function rmspropStep(engine: Engine, call: RmspropStep): void {
  const { learningRate, alpha, epsilon, momentum } = call;
  for (const { p, g, v, velocity, weightDecay } of checkRmsprop(engine, call)) {
    for (let i = 0; i < p.length; i++) {
      const d = g[i]! + weightDecay * p[i]!;
      const square = alpha * v[i]! + (1 - alpha) * d * d;
      v[i] = square;
      let change = d / (Math.sqrt(square) + epsilon);
      if (velocity) velocity[i] = change = momentum * velocity[i]! + change;
      p[i] = p[i]! - learningRate * change;
    }
  }
}

/** Adagrad as torch.optim.Adagrad, each element in double and rounded when it is stored. */
export function adagradStep(engine: Engine, call: AdagradStep): void {
  const { learningRate, epsilon } = call;
  for (const { p, g, sum, weightDecay } of checkAdagrad(engine, call)) {
    for (let i = 0; i < p.length; i++) {
      const d = g[i]! + weightDecay * p[i]!;
      const total = sum[i]! + d * d;
      sum[i] = total;
      p[i] = p[i]! - (learningRate * d) / (Math.sqrt(total) + epsilon);
    }
  }
}
