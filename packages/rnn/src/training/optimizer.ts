import type { OptimizerOptions } from '@unfold/contracts';
import type { Parameter } from '@unfold/kernels';
import type { Network, ParameterSet } from '../model/network.ts';

/** A running average or velocity per parameter, named as in checkpoints: `optimizer.<slot>.<parameter>`. */
export interface OptimizerSlot {
  slot: 'first' | 'second' | 'velocity';
  /** In the order of the network's table. */
  tensors: Parameter[];
}

export interface Optimizer {
  slots: OptimizerSlot[];
  /** Applies the gradients. @param step counted from 1 */
  apply(learningRate: number, step: number): void;
}

/** Adam or SGD as torch.optim has them. Weight decay skips biases. */
export const createOptimizer = (
  network: Network,
  gradients: ParameterSet,
  options: OptimizerOptions,
): Optimizer => {
  const { backend, table, parameters } = network;
  const fresh = (): Parameter[] => parameters.all.map((parameter) => backend.like(parameter));
  const entry = (k: number) => ({
    parameter: parameters.all[k]!,
    gradient: gradients.all[k]!,
    weightDecay: table[k]!.decays ? options.weight_decay : 0,
  });

  switch (options.type) {
    case 'adam': {
      const first = fresh();
      const second = fresh();
      const entries = table.map((_, k) => ({ ...entry(k), first: first[k]!, second: second[k]! }));
      const { beta1, beta2, epsilon } = options;
      return {
        slots: [
          { slot: 'first', tensors: first },
          { slot: 'second', tensors: second },
        ],
        apply: (learningRate, step) =>
          backend.adamStep({ entries, learningRate, beta1, beta2, epsilon, step }),
      };
    }
    case 'sgd': {
      const velocity = options.momentum > 0 ? fresh() : null;
      const entries = table.map((_, k) => ({ ...entry(k), velocity: velocity?.[k] ?? null }));
      const { momentum, nesterov } = options;
      return {
        slots: velocity ? [{ slot: 'velocity', tensors: velocity }] : [],
        apply: (learningRate) => backend.sgdStep({ entries, learningRate, momentum, nesterov }),
      };
    }
    default:
      throw new RangeError(`The optimizer ${options.type} is not built yet.`);
  }
};
