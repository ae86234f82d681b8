import { z } from 'zod';
import { modelReference } from './ids.ts';
import { promptInput, promptsOf } from './prompt-input.ts';
import { contradiction } from './spec/contradictions/contradiction.ts';
import { cleanText } from './text.ts';

export const maxNewTokens = 100_000;
/** Texts that one request may have written side by side: prompts × `best_of`, or × `beam_width`. */
export const maxCompletionStreams = 128;

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
const penalty = optional(z.number().min(-2).max(2), 0);

/** What a text is conditioned on, as the file of a `conditional_generation` has it. */
export const contextInput = z
  .union([cleanText({ min: 1, max: 512 }), z.array(z.number()).min(1).max(4096)])
  .nullable()
  .default(null);

const logitBias = z
  .record(z.string().regex(/^\d{1,9}$/, 'expected a token id'), z.number().min(-100).max(100))
  .refine((bias) => Object.keys(bias).length <= 1024, 'expected at most 1024 entries')
  .nullable()
  .overwrite((bias) => (bias !== null && Object.keys(bias).length === 0 ? null : bias))
  .default(null);

const fields = z.strictObject({
  model: modelReference.meta({ description: "A model's id, a checkpoint's id, or a model's name." }),
  prompt: promptInput,
  max_tokens: optional(z.int().min(0).max(maxNewTokens), 256).meta({
    description:
      'Most tokens that are written a choice. 0 only reads the prompt: with `echo` and `logprobs`, that scores it.',
  }),
  temperature: optional(z.number().min(0).max(10), 1).meta({
    description: '0 takes the likeliest token; ties go to the lowest id.',
  }),
  top_p: optional(z.number().gt(0).max(1), 1),
  top_k: z.int().min(1).nullable().default(null),
  n: optional(z.int().min(1).max(maxCompletionStreams), 1).meta({ description: 'Choices a prompt.' }),
  best_of: z.int().min(1).max(maxCompletionStreams).nullable().default(null).meta({
    description:
      'Writes so many texts a prompt and answers the `n` with the highest mean log-probability a token. Default: `n`.',
  }),
  beam_width: z.int().min(1).max(64).nullable().default(null).meta({
    description:
      'Searches for the likeliest texts, with a beam so wide, instead of sampling: the `n` best are answered, the best first. `temperature` and `seed` have no part in it.',
  }),
  echo: optional(z.boolean(), false).meta({ description: 'Whether a choice begins with its prompt.' }),
  logprobs: z.int().min(0).max(5).nullable().default(null).meta({
    description:
      'Log-probabilities in nats of the tokens that were written (with `echo` also of those that were read), and of so many of the likeliest in their place.',
  }),
  stop: z
    .union([stopText, z.array(stopText).max(4)])
    .nullable()
    .default(null)
    .meta({
      description: 'Up to four texts before which a choice ends, wherever the borders of tokens are.',
    }),
  seed: z.int().min(0).max(4_294_967_295).nullable().default(null).meta({
    description:
      'The same seed gives the same text, whatever else the server is doing. null: another each time.',
  }),
  frequency_penalty: penalty.meta({
    description: 'What each earlier occurrence takes from the logit of a token.',
  }),
  presence_penalty: penalty.meta({
    description: 'What any earlier occurrence takes from the logit of a token.',
  }),
  logit_bias: logitBias.meta({
    description: 'By token id, what is added to its logit: −100 bans a token, 100 forces it.',
  }),
  stream: optional(z.boolean(), false),
  stream_options: z
    .strictObject({
      include_usage: optional(z.boolean(), false).meta({
        description: 'A last event without choices holds `usage`; in the others it is null.',
      }),
      include_obfuscation: optional(z.literal(false), false),
    })
    .nullable()
    .default(null),
  suffix: z.null().default(null),
  user: cleanText({ max: 256 }).nullish(),
  context: contextInput.meta({
    description:
      'What the text is conditioned on: a label that the model was trained with, or a list of numbers as in its file. Models of task ' +
      'conditional_generation need it, others refuse it.',
  }),
  session: z.string().min(1).max(100).nullable().default(null).meta({
    description:
      'A session, `sess-…`: goes on from what it has read and written, and leaves it after the last token of the answer. Takes one prompt and one choice.',
  }),
});
type Fields = z.output<typeof fields>;

type Rule = (body: Fields) => [path: keyof Fields, message: string] | null;

const beamRules: Rule[] = [
  ({ beam_width: width, n }) =>
    width !== null && n > width ? ['n', `n (${n}) must not be more than beam_width (${width}).`] : null,
  ({ beam_width, best_of, n }) =>
    beam_width !== null && best_of !== null && best_of !== n
      ? ['best_of', 'best_of chooses among texts that were sampled, but beam_width searches for them.']
      : null,
  ({ beam_width, top_k }) =>
    beam_width !== null && top_k !== null
      ? ['top_k', 'top_k is an option of sampling, but beam_width searches without it.']
      : null,
  ({ beam_width, top_p }) =>
    beam_width !== null && top_p < 1
      ? ['top_p', 'top_p is an option of sampling, but beam_width searches without it.']
      : null,
  ...(['frequency_penalty', 'presence_penalty'] as const).map(
    (penalty): Rule =>
      (body) =>
        body.beam_width !== null && body[penalty] !== 0
          ? [penalty, `${penalty} is an option of sampling, but beam_width searches without it.`]
          : null,
  ),
  ({ beam_width, stream }) =>
    beam_width !== null && stream
      ? ['stream', 'What beam_width searches for cannot be streamed: the likeliest text is known at its end.']
      : null,
];

const sessionRules: Rule[] = [
  ({ session, context }) =>
    session !== null && context !== null
      ? ['context', 'A session has the context that it was created with: leave it out.']
      : null,
  ({ session, prompt }) =>
    session !== null && promptsOf(prompt).length > 1
      ? ['prompt', `A session goes on from one prompt, but there are ${promptsOf(prompt).length}.`]
      : null,
  ({ session, n }) =>
    session !== null && n > 1 ? ['n', `A session goes on with one choice, but n is ${n}.`] : null,
  ({ session, best_of }) =>
    session !== null && (best_of ?? 1) > 1
      ? ['best_of', `A session goes on with one choice, but best_of is ${best_of}.`]
      : null,
  ({ session, beam_width }) =>
    session !== null && beam_width !== null
      ? ['beam_width', 'A session goes on with what is sampled, not with what beam_width searches for.']
      : null,
];

/** What contradicts itself, as OpenAI sees it, and what is ours. The first that holds is answered. */
const rules: Rule[] = [
  ({ best_of, n }) =>
    best_of !== null && best_of < n
      ? ['best_of', `best_of (${best_of}) must not be less than n (${n}).`]
      : null,
  ({ best_of, n, stream }) =>
    stream && best_of !== null && best_of > n
      ? [
          'best_of',
          `best_of (${best_of}) above n (${n}) cannot be streamed: which texts are best is known at their end.`,
        ]
      : null,
  ({ stream, stream_options }) =>
    !stream && stream_options !== null
      ? ['stream_options', 'stream_options is only for streams, but stream is false.']
      : null,
  ...beamRules,
  ...sessionRules,
];

/** Texts that a request has written side by side. */
const countStreams = ({ prompt, n, best_of, beam_width }: Fields): number =>
  promptsOf(prompt).length * (beam_width ?? best_of ?? n);

/** `POST /v1/completions`, in OpenAI's shape with `top_k`, `context`, `beam_width` and `session` of our own. */
export const completionRequest = fields
  .superRefine((body, context) => {
    for (const rule of rules) {
      const found = rule(body);
      if (found !== null) return context.addIssue(contradiction([found[0]], found[1]));
    }
    const streams = countStreams(body);
    if (streams > maxCompletionStreams)
      context.addIssue({
        code: 'custom',
        path: [body.beam_width !== null ? 'beam_width' : body.best_of !== null ? 'best_of' : 'n'],
        message: `expected at most ${maxCompletionStreams} texts a request (prompts × best_of, or × beam_width), that is ${Math.floor(maxCompletionStreams / promptsOf(body.prompt).length)} a prompt`,
      });
  })
  .meta({ id: 'CompletionRequest' });
export type CompletionRequest = Fields;
/** A request as a client may write it. */
export type CompletionRequestInput = z.input<typeof fields>;

export const finishReason = z.enum(['stop', 'length']);
export type FinishReason = z.infer<typeof finishReason>;

export const completionLogprobs = z
  .object({
    tokens: z.array(z.string()),
    token_logprobs: z.array(z.number().nullable()).meta({
      description: 'In nats. Null for the first token of an endless text, which has no context.',
    }),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).meta({
      description: 'The likeliest tokens in this place and the one that is there.',
    }),
    text_offset: z
      .array(z.int())
      .meta({ description: "Where each token begins in the choice's text, in UTF-16 units." }),
  })
  .meta({ id: 'CompletionLogprobs' });

export const completionUsage = z
  .object({
    prompt_tokens: z.int(),
    completion_tokens: z
      .int()
      .meta({ description: 'Of every text that was written, those that `best_of` dropped included.' }),
    total_tokens: z.int(),
    prompt_tokens_details: z.object({
      cached_tokens: z
        .int()
        .meta({ description: 'Tokens of prompts whose reading was saved, since they were read before.' }),
    }),
  })
  .meta({ id: 'CompletionUsage' });
export type CompletionUsage = z.infer<typeof completionUsage>;

export const completionResource = z
  .object({
    id: z.string(),
    object: z.literal('text_completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int().meta({ description: 'Choice k of prompt p is number p × n + k.' }),
        text: z.string(),
        logprobs: completionLogprobs.nullable(),
        finish_reason: finishReason.nullable(),
      }),
    ),
    usage: completionUsage.nullish(),
    session: z.string().optional().meta({ description: 'The session that the text went on with.' }),
  })
  .meta({ id: 'Completion' });
export type CompletionResource = z.infer<typeof completionResource>;
