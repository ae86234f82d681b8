import { z } from 'zod';
import { modelReference } from '../ids.ts';

/** Parts of a network that can be frozen or started afresh. `layers.k` means every parameter `*_lk*`; a parameter's own name means it alone. */
export const parameterGroup = z
  .string()
  .regex(
    /^(embedding|head|feedback|context|length|initial_state|layers\.[0-7]|(rnn|encoder|decoder)\.[a-z0-9_]+)$/,
    'expected "embedding", "layers.0" … "layers.7", "head", "feedback", "context", "length", "initial_state" or the name of a parameter such as "rnn.weight_hh_l0"',
  );
export type ParameterGroup = z.output<typeof parameterGroup>;

export const startFrom = z
  .strictObject({
    model: modelReference.meta({ description: 'The id or name of a model, or the id of a checkpoint.' }),
    freeze: z.array(parameterGroup).max(16).default([]).meta({
      description:
        'What keeps its values: `embedding`, `layers.0` …, `head`, `feedback`, `context`, `length`, `initial_state`, or a parameter by its name.',
    }),
    reset: z
      .array(parameterGroup)
      .max(16)
      .default([])
      .meta({ description: 'What starts afresh, in the same names: a new head, for one.' }),
  })
  .meta({
    id: 'StartFromOptions',
    description: 'Start from a trained model; tokens of a new vocabulary that it knew keep their rows.',
  });

export type StartFromOptions = z.output<typeof startFrom>;
