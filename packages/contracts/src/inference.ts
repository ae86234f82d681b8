import { z } from 'zod';
import { modelReference } from './ids.ts';
import { cleanText } from './text.ts';

export const maxPromptCharacters = 1_000_000;
export const maxNewTokens = 100_000;

/** `POST /v1/completions`, in OpenAI's shape with `top_k` of our own. */
export const completionRequest = z
  .strictObject({
    model: modelReference,
    prompt: cleanText({ max: maxPromptCharacters }).default(''),
    max_tokens: z.int().min(1).max(maxNewTokens).default(256),
    temperature: z
      .number()
      .min(0)
      .max(10)
      .default(1)
      .meta({ description: '0 takes the likeliest token; ties go to the lowest id.' }),
    top_p: z.number().gt(0).max(1).default(1),
    top_k: z.int().min(1).nullable().default(null),
    stop: z
      .union([cleanText({ min: 1, max: 256 }), z.array(cleanText({ min: 1, max: 256 })).max(4)])
      .nullable()
      .default(null),
    seed: z.int().min(0).max(4_294_967_295).nullable().default(null),
    stream: z.boolean().default(false),
    user: cleanText({ max: 256 }).optional(),
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
    usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() }).optional(),
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
