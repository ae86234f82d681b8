import { z } from 'zod';
import { contextInput } from './completions.ts';
import { cleanText } from './text.ts';

/** Characters that are read, and units that are answered for, at most: together they bound the answer. */
export const maxActivationCharacters = 4096;
export const maxActivationUnits = 64;

/** `POST /v1/models/:id/activations`: what the hidden units of a model are over a text. */
export const activationsRequest = z
  .strictObject({
    input: cleanText({ min: 1, max: maxActivationCharacters }),
    context: contextInput.meta({
      description: 'What the text is conditioned on; see completions.',
    }),
    layer: z.int().min(0).max(63).nullish().meta({
      description: 'Only units of this layer, 0 being the lowest. Default: of all layers.',
    }),
    units: z
      .array(
        z
          .string()
          .regex(/^(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})$/, 'expected a unit as layer.unit, such as "0.17"'),
      )
      .min(1)
      .max(maxActivationUnits)
      .refine((units) => new Set(units).size === units.length, 'expected each unit once')
      .nullish()
      .meta({
        description: 'Which units, as `layer.unit`, each once. Default: those that vary most over the text.',
      }),
    limit: z
      .int()
      .min(1)
      .max(maxActivationUnits)
      .default(16)
      .meta({ description: 'How many of those that vary most, if none are named.' }),
  })
  .meta({ id: 'ActivationsRequest' });
export type ActivationsRequest = z.output<typeof activationsRequest>;
export type ActivationsRequestInput = z.input<typeof activationsRequest>;

export const activationsResource = z
  .object({
    object: z.literal('activations'),
    tokens: z
      .array(z.string())
      .meta({ description: 'What was read; `<s>`, where that begins a sequence, is one of them.' }),
    layers: z.array(z.int()).meta({ description: 'How many units each layer has, the lowest first.' }),
    units: z
      .array(
        z.object({
          name: z.string().meta({ description: '`layer.unit`, both counted from 0.' }),
          layer: z.int(),
          unit: z.int(),
          mean: z.number(),
          deviation: z.number().meta({ description: 'The standard deviation over the text.' }),
          values: z.array(z.number()).meta({
            description: 'After each of the tokens, to five decimals; between −1 and 1, but for `relu`.',
          }),
        }),
      )
      .meta({ description: 'In the order that was asked for, or the one that varies most first.' }),
  })
  .meta({ id: 'Activations' });
export type ActivationsResource = z.infer<typeof activationsResource>;
