import { z } from 'zod';
import { cleanText } from './text.ts';

/** Prompts of one completions request. */
export const maxPrompts = 64;
/** Characters of a text, or ids of a list of tokens. */
export const maxPromptCharacters = 1_000_000;

/** One text or list of token ids, or a list of either. */
export type PromptInput = string | string[] | number[] | number[][];

type Issue = z.core.$ZodRawIssue;

const custom = (path: number[], message: string, input: unknown): Issue => ({
  code: 'custom',
  path,
  message,
  input,
});

const text = cleanText({ max: maxPromptCharacters });

const problemOfText = (value: unknown, path: number[]): Issue | null => {
  const [issue] = text.safeParse(value).error?.issues ?? [];
  return issue ? ({ ...issue, path, input: value } as Issue) : null;
};

const problemOfTokens = (value: unknown, path: number[]): Issue | null => {
  if (!Array.isArray(value)) return custom(path, 'expected a list of token ids', value);
  if (value.length === 0) return custom(path, 'expected at least 1 token id', value);
  if (value.length > maxPromptCharacters)
    return custom(path, `expected at most ${maxPromptCharacters} token ids`, value);
  const wrong = value.findIndex((id) => !Number.isSafeInteger(id) || id < 0);
  return wrong < 0 ? null : custom([...path, wrong], 'expected a token id, an integer from 0', value[wrong]);
};

/**
 * The first thing that is wrong. Not a union of schemas, which would look at every token once for each of its branches, and list all that are
 * of another kind.
 */
const problemOf = (value: unknown): Issue | null => {
  if (typeof value === 'string') return problemOfText(value, []);
  if (!Array.isArray(value))
    return custom([], 'expected a text, a list of token ids, or a list of texts or of such lists', value);
  const [first] = value as unknown[];
  if (typeof first === 'number') return problemOfTokens(value, []);
  if (value.length === 0 || value.length > maxPrompts)
    return custom([], `expected 1 to ${maxPrompts} prompts`, value);
  const problemOfEach = Array.isArray(first) ? problemOfTokens : problemOfText;
  for (let k = 0; k < value.length; k++) {
    const problem = problemOfEach(value[k], [k]);
    if (problem !== null) return problem;
  }
  return null;
};

const textSchema = { type: 'string', maxLength: maxPromptCharacters };
const tokensSchema = { type: 'array', minItems: 1, items: { type: 'integer', minimum: 0 } };
const several = (items: object) => ({ type: 'array', minItems: 1, maxItems: maxPrompts, items });

/** What to go on from: texts or token ids, as many as choices are asked for. Null, or nothing, is the empty text. */
export const promptInput = z
  .unknown()
  .superRefine((value, context) => {
    const problem = value === null ? null : problemOf(value);
    if (problem !== null) context.addIssue(problem);
  })
  .overwrite((value) => value ?? '')
  .default('')
  .meta({
    description:
      `A text, or a list of token ids (rows of the model's vocabulary), or a list of up to ${maxPrompts} of either. ` +
      'The empty text begins anew, as do null and nothing.',
    anyOf: [textSchema, several(textSchema), tokensSchema, several(tokensSchema), { type: 'null' }],
  }) as unknown as z.ZodType<PromptInput, PromptInput | null | undefined>;

/** The prompts of a request, one by one. */
export const promptsOf = (prompt: PromptInput): (string | number[])[] =>
  typeof prompt === 'string' || typeof prompt[0] === 'number'
    ? [prompt as string | number[]]
    : (prompt as string[] | number[][]);
