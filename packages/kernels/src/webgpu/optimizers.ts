import type { Backend } from '../backend.ts';
import { checkAdagrad, checkAdam, checkRmsprop, checkSgd } from '../checks/optimizer.ts';
import { elementwise, gridFor } from './grid.ts';
import type { Recorder } from './recorder.ts';
import type { Tensors } from './tensors.ts';

const kernels = {
  sgd: elementwise({
    name: 'sgd',
    reals: ['w', 'g', 'velocity'],
    numbers: { decay: 'f32', rate: 'f32', momentum: 'f32', nesterov: 'u32' },
    body: `let d = fma(p.decay, w(i), g(i));
  var change = d;
  if (has_velocity()) {
    let b = fma(p.momentum, velocity(i), d);
    set_velocity(i, b);
    change = b;
    if (p.nesterov != 0u) { change = fma(p.momentum, b, d); }
  }
  set_w(i, fma(-p.rate, change, w(i)));`,
  }),
  adam: elementwise({
    name: 'adam',
    reals: ['w', 'g', 'm', 'v'],
    numbers: {
      kept: 'f32',
      decay: 'f32',
      beta1: 'f32',
      rest1: 'f32',
      beta2: 'f32',
      rest2: 'f32',
      rate: 'f32',
      root: 'f32',
      epsilon: 'f32',
    },
    body: `let before = p.kept * w(i);
  let d = fma(p.decay, before, g(i));
  let first = fma(p.beta1, m(i), p.rest1 * d);
  let second = fma(p.beta2, v(i), p.rest2 * d * d);
  set_m(i, first);
  set_v(i, second);
  set_w(i, before - (p.rate * first) / (sqrt(second) / p.root + p.epsilon));`,
  }),
  rmsprop: elementwise({
    name: 'rmsprop',
    reals: ['w', 'g', 'v', 'velocity'],
    numbers: { decay: 'f32', rate: 'f32', alpha: 'f32', rest: 'f32', epsilon: 'f32', momentum: 'f32' },
    body: `let d = fma(p.decay, w(i), g(i));
  let square = fma(p.alpha, v(i), p.rest * d * d);
  set_v(i, square);
  var change = d / (sqrt(square) + p.epsilon);
  if (has_velocity()) {
    change = fma(p.momentum, velocity(i), change);
    set_velocity(i, change);
  }
  set_w(i, fma(-p.rate, change, w(i)));`,
  }),
  adagrad: elementwise({
    name: 'adagrad',
    reals: ['w', 'g', 'sum'],
    numbers: { decay: 'f32', rate: 'f32', epsilon: 'f32' },
    body: `let d = fma(p.decay, w(i), g(i));
  let total = fma(d, d, sum(i));
  set_sum(i, total);
  set_w(i, w(i) - p.rate * d / (sqrt(total) + p.epsilon));`,
  }),
};

/** Steps of the optimizers, each element in float32 by itself; what depends on the step alone is computed in double beforehand. */
export function optimizerKernels(
  recorder: Recorder,
  { door }: Tensors,
): Pick<Backend, 'sgdStep' | 'adamStep' | 'rmspropStep' | 'adagradStep'> {
  return {
    sgdStep(call) {
      const { learningRate: rate, momentum, nesterov } = call;
      for (const { p: w, g, velocity, weightDecay: decay } of checkSgd(door, call)) {
        const numbers = { decay, rate, momentum, nesterov: Number(nesterov), count: w.length };
        recorder.dispatch(kernels.sgd, { reals: { w, g, velocity }, ints: {}, numbers }, gridFor(w.length));
      }
    },
    adamStep(call) {
      const { beta1, beta2, epsilon } = call;
      const { rate, root, entries } = checkAdam(door, call);
      const shared = { beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, rate, root, epsilon };
      for (const { p: w, g, m, v, kept, weightDecay: decay } of entries()) {
        const numbers = { ...shared, kept, decay, count: w.length };
        recorder.dispatch(kernels.adam, { reals: { w, g, m, v }, ints: {}, numbers }, gridFor(w.length));
      }
    },
    rmspropStep(call) {
      const { learningRate: rate, alpha, epsilon, momentum } = call;
      const shared = { rate, alpha, rest: 1 - alpha, epsilon, momentum };
      for (const { p: w, g, v, velocity, weightDecay: decay } of checkRmsprop(door, call)) {
        const numbers = { ...shared, decay, count: w.length };
        recorder.dispatch(
          kernels.rmsprop,
          { reals: { w, g, v, velocity }, ints: {}, numbers },
          gridFor(w.length),
        );
      }
    },
    adagradStep(call) {
      const { learningRate: rate, epsilon } = call;
      for (const { p: w, g, sum, weightDecay: decay } of checkAdagrad(door, call)) {
        const numbers = { decay, rate, epsilon, count: w.length };
        recorder.dispatch(kernels.adagrad, { reals: { w, g, sum }, ints: {}, numbers }, gridFor(w.length));
      }
    },
  };
}
