import type { JobSpec } from '@unfold/contracts';
import { tinySpec } from './runs.ts';

/** Plain SGD on an Elman network whose activations are not bounded: its rate decides whether it survives. */
export const fragile = (learning_rate: number, training = {}): JobSpec =>
  tinySpec({
    model: { cell: 'elman', activation: 'relu', hidden_size: 16 },
    training: {
      clip: null,
      checkpoint_every: 5,
      evaluate_every: 7,
      sample_every: 1000,
      max_steps: 20,
      epochs: 100,
      optimizer: { type: 'sgd', learning_rate },
      ...training,
    },
  });

/** One that no rate saves: it grows by its decay. */
export const hopeless = (training = {}): JobSpec =>
  fragile(100, { optimizer: { type: 'sgd', learning_rate: 100, weight_decay: 1 }, ...training });
