import { z } from 'zod';
import { contextInput } from './completions.ts';
import { predictionInput } from './prediction-input.ts';
import { maxPromptCharacters } from './prompt-input.ts';
import { specLimits } from './spec/limits.ts';
import { cleanText } from './text.ts';

/** `POST /v1/models/:id/score`: log-probabilities in nats. */
export const scoreRequest = z
  .strictObject({
    input: z.union([
      cleanText({ min: 1, max: maxPromptCharacters }),
      z
        .array(cleanText({ min: 1, max: maxPromptCharacters }))
        .min(1)
        .max(64),
    ]),
    context: contextInput.meta({
      description: 'What the texts are conditioned on; see completions.',
    }),
  })
  .meta({ id: 'ScoreRequest' });
export type ScoreRequestInput = z.input<typeof scoreRequest>;

export const scoreResource = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        tokens: z.array(z.string()),
        log_probabilities: z.array(z.number().nullable()).meta({
          description: 'The first token of an endless text has no context: null.',
        }),
        total: z.number(),
        perplexity: z.number().nullable(),
      }),
    ),
  })
  .meta({ id: 'Score' });
export type ScoreResource = z.infer<typeof scoreResource>;

/** `POST /v1/models/:id/predict`: what a classification, a labeling or a forecast makes of sequences. */
export const predictRequest = z
  .strictObject({
    input: predictionInput,
    steps: z.int().min(1).max(specLimits.sequence_length).nullish().meta({
      description:
        'Only of a forecast: for how many time steps it goes on from its input, each value being the input of the next. Default: 1.',
    }),
    beam_width: z
      .int()
      .min(1)
      .max(64)
      .nullish()
      .meta({
        description:
          'Only of a labeling whose answers are fed back (`model.recurrence` output or both): how many answers are followed side by side, the ' +
          'likeliest as a whole being given. 1 is greedy. Default: 4.',
      }),
  })
  .meta({ id: 'PredictRequest' });
export type PredictRequest = z.output<typeof predictRequest>;
export type PredictRequestInput = z.input<typeof predictRequest>;

const prediction = z.union([
  z
    .object({
      label: z.string(),
      probabilities: z.record(z.string(), z.number()).meta({ description: 'Of every label; they sum to 1.' }),
    })
    .meta({ id: 'LabelPrediction', description: 'Of a classification.' }),
  z
    .object({ tags: z.array(z.string()).meta({ description: 'One a time step.' }) })
    .meta({ id: 'TagsPrediction', description: 'Of a sequence labeling with tokens.' }),
  z
    .object({ values: z.array(z.array(z.number())).meta({ description: 'One vector a time step.' }) })
    .meta({ id: 'ValuesPrediction', description: 'Of a sequence labeling with vectors, or of a forecast.' }),
]);

export const predictResource = z
  .object({ object: z.literal('list'), data: z.array(prediction) })
  .meta({ id: 'Predictions', description: 'One an input, in their order.' });
export type PredictResource = z.infer<typeof predictResource>;
