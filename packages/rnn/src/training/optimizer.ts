import type { OptimizerOptions } from '@unfold/contracts';
import type { Parameter } from '@unfold/kernels';
import type { GradientSet, Network } from '../model/network.ts';

/** A running average, sum or velocity of every trained parameter, named as in checkpoints: `optimizer.<slot>.<parameter>`. */
export interface OptimizerSlot {
  slot: 'first' | 'second' | 'velocity' | 'square' | 'sum';
  tensors: { parameter: string; tensor: Parameter }[];
}

export interface Optimizer {
  slots: OptimizerSlot[];
  /** Applies the gradients. @param step counted from 1 */
  apply(learningRate: number, step: number): void;
}

/** An optimizer as torch.optim has it. Weight decay skips biases and gains; frozen parameters, those without a gradient, stay as they are. */
export const createOptimizer = (
  network: Network,
  gradients: GradientSet,
  options: OptimizerOptions,
): Optimizer => {
  const { backend } = network;
  const trained = network.table.flatMap(({ name, decays }, k) => {
    const gradient = gradients.all[k];
    if (!gradient) return [];
    const parameter = network.parameters.all[k]!;
    return [{ name, parameter, gradient, weightDecay: decays ? options.weight_decay : 0 }];
  });
  const slots: OptimizerSlot[] = [];
  const addSlot = (slot: OptimizerSlot['slot']): Parameter[] => {
    const tensors = trained.map(({ parameter }) => backend.like(parameter));
    slots.push({ slot, tensors: tensors.map((tensor, k) => ({ parameter: trained[k]!.name, tensor })) });
    return tensors;
  };

  switch (options.type) {
    case 'adam':
    case 'adamw': {
      const first = addSlot('first');
      const second = addSlot('second');
      const entries = trained.map((entry, k) => ({ ...entry, first: first[k]!, second: second[k]! }));
      const { beta1, beta2, epsilon } = options;
      const decoupled = options.type === 'adamw';
      const apply: Optimizer['apply'] = (learningRate, step) =>
        backend.adamStep({ entries, learningRate, beta1, beta2, epsilon, step, decoupled });
      return { slots, apply };
    }
    case 'rmsprop': {
      const square = addSlot('square');
      const entries = trained.map((entry, k) => ({ ...entry, square: square[k]!, velocity: null }));
      const { alpha, epsilon } = options;
      const apply: Optimizer['apply'] = (learningRate) =>
        backend.rmspropStep({ entries, learningRate, alpha, epsilon, momentum: 0 });
      return { slots, apply };
    }
    case 'adagrad': {
      const sum = addSlot('sum');
      const entries = trained.map((entry, k) => ({ ...entry, sum: sum[k]! }));
      const { epsilon } = options;
      return { slots, apply: (learningRate) => backend.adagradStep({ entries, learningRate, epsilon }) };
    }
    case 'sgd': {
      const velocity = options.momentum > 0 ? addSlot('velocity') : null;
      const entries = trained.map((entry, k) => ({ ...entry, velocity: velocity?.[k] ?? null }));
      const { momentum, nesterov } = options;
      const apply: Optimizer['apply'] = (learningRate) =>
        backend.sgdStep({ entries, learningRate, momentum, nesterov });
      return { slots, apply };
    }
  }
};
