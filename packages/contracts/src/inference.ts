import { z } from 'zod';
import { modelReference } from './ids.ts';
import { predictionInput } from './prediction-input.ts';
import { specLimits } from './spec/limits.ts';
import { cleanText } from './text.ts';

export const maxPromptCharacters = 1_000_000;
export const maxNewTokens = 100_000;

/** A field for which null means the same as leaving it out. */
const optional = <T extends z.ZodType<unknown, unknown>>(schema: T, value: NonNullable<z.output<T>>) =>
  schema
    .nullable()
    .overwrite((given) => given ?? value)
    // Typed as never null, since the overwrite fills it in.
    .default(value as never) as unknown as z.ZodDefault<
    z.ZodType<NonNullable<z.output<T>>, z.input<T> | null>
  >;

const stopText = cleanText({ min: 1, max: 256 });

/** What a text is conditioned on, as the file of a `conditional_generation` has it. */
const context = z
  .union([cleanText({ min: 1, max: 512 }), z.array(z.number()).min(1).max(4096)])
  .nullable()
  .default(null);

/**
 * Parameters of OpenAI's that this server does not have. Values that ask for nothing are taken, since its clients and
 * the tools built on them send them; any other is refused as not supported.
 */
const withoutEffect = {
  n: optional(z.literal(1), 1),
  best_of: optional(z.literal(1), 1),
  echo: optional(z.literal(false), false),
  logprobs: z.null().default(null),
  frequency_penalty: optional(z.literal(0), 0),
  presence_penalty: optional(z.literal(0), 0),
  logit_bias: z
    .record(z.string(), z.number())
    .nullable()
    .refine(
      (bias) => bias === null || Object.keys(bias).length === 0,
      'not supported yet: expected null or an empty object',
    )
    .default(null),
  suffix: z.null().default(null),
};

/** `POST /v1/completions`, in OpenAI's shape with `top_k` and `context` of our own. */
export const completionRequest = z
  .strictObject({
    model: modelReference,
    prompt: optional(cleanText({ max: maxPromptCharacters }), ''),
    max_tokens: optional(z.int().min(1).max(maxNewTokens), 256),
    temperature: optional(z.number().min(0).max(10), 1).meta({
      description: '0 takes the likeliest token; ties go to the lowest id.',
    }),
    top_p: optional(z.number().gt(0).max(1), 1),
    top_k: z.int().min(1).nullable().default(null),
    stop: z
      .union([stopText, z.array(stopText).max(4)])
      .nullable()
      .default(null),
    seed: z.int().min(0).max(4_294_967_295).nullable().default(null),
    stream: optional(z.boolean(), false),
    stream_options: z
      .strictObject({
        include_usage: optional(z.boolean(), false).meta({
          description: 'A last event without choices holds `usage`; in the others it is null.',
        }),
      })
      .nullable()
      .default(null),
    user: cleanText({ max: 256 }).nullish(),
    context: context.meta({
      description:
        'What the text is conditioned on: a label that the model was trained with, or a list of numbers as in its file. Models of task ' +
        'conditional_generation need it, others refuse it.',
    }),
    ...withoutEffect,
  })
  .meta({ id: 'CompletionRequest' });
export type CompletionRequest = z.output<typeof completionRequest>;

export const finishReason = z.enum(['stop', 'length']);
export type FinishReason = z.infer<typeof finishReason>;

export const completionResource = z
  .object({
    id: z.string(),
    object: z.literal('text_completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        text: z.string(),
        logprobs: z.null(),
        finish_reason: finishReason.nullable(),
      }),
    ),
    usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() }).nullish(),
  })
  .meta({ id: 'Completion' });
export type CompletionResource = z.infer<typeof completionResource>;

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
    context: context.meta({
      description: 'What the texts are conditioned on; see completions.',
    }),
  })
  .meta({ id: 'ScoreRequest' });

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
