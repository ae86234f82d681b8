import { z } from 'zod';
import { cleanText } from './text.ts';

/** Sequences of one call. */
export const maxPredictionInputs = 64;
/** Characters of one text. */
const maxCharacters = 1_000_000;

/** One sequence: a text, tokens that stand for themselves, vectors, or the numbers of vectors of width 1. */
export type SequenceInput = string | string[] | number[][] | number[];

/**
 * One sequence or a list of them. Which of the two `["a", "b"]` is, two texts or one list of two tokens, depends on what the model reads.
 */
export type PredictionInput = SequenceInput | string[][] | number[][][];

type Issue = z.core.$ZodRawIssue;

const custom = (path: number[], message: string, input: unknown): Issue => ({
  code: 'custom',
  path,
  message,
  input,
});

/** Lists in lists: as deep as a list of lists of vectors. */
const mostLists = 3;

/** The first entry that is no list, and in how many lists it lies: all others must be like it. */
const firstLeaf = (value: unknown): { leaf: unknown; lists: number } => {
  let leaf = value;
  let lists = 0;
  for (; Array.isArray(leaf) && leaf.length > 0 && lists < mostLists; lists++) leaf = leaf[0];
  return { leaf, lists };
};

const leafText = cleanText({ min: 1, max: maxCharacters });

const problemOfLeaf = (value: unknown, kind: 'string' | 'number', path: number[]): Issue | null => {
  if (kind === 'string') {
    const [issue] = leafText.safeParse(value).error?.issues ?? [];
    return issue ? ({ ...issue, path, input: value } as Issue) : null;
  }
  if (typeof value !== 'number') return custom(path, 'expected a number', value);
  // JSON has no infinity, but 1e999 is read as one.
  return Number.isFinite(value) ? null : custom(path, 'expected a number within the range of doubles', value);
};

/**
 * The first thing that is wrong. A union of schemas would not do: it looks at every number once for each of its branches, and lists all
 * that are of another kind.
 */
const findProblem = (
  value: unknown,
  lists: number,
  kind: 'string' | 'number',
  path: number[],
): Issue | null => {
  if (lists === 0) return problemOfLeaf(value, kind, path);
  if (!Array.isArray(value)) return custom(path, 'expected a list', value);
  if (value.length === 0) return custom(path, 'expected a list that is not empty', value);
  for (let k = 0; k < value.length; k++) {
    const problem = findProblem(value[k], lists - 1, kind, [...path, k]);
    if (problem !== null) return problem;
  }
  return null;
};

const problemOf = (value: unknown): Issue | null => {
  const { leaf, lists } = firstLeaf(value);
  if (typeof leaf === 'string' && lists < mostLists) return findProblem(value, lists, 'string', []);
  if (typeof leaf === 'number' && lists > 0) return findProblem(value, lists, 'number', []);
  const path = Array<number>(lists).fill(0);
  const anything =
    'expected a text, a list of tokens (texts) or a list of vectors (lists of numbers), or a list of such';
  if (value === undefined) return { ...custom(path, anything, value), params: { code: 'missing_field' } };
  return Array.isArray(leaf) && leaf.length === 0
    ? custom(path, 'expected a list that is not empty', leaf)
    : custom(path, anything, leaf);
};

const text = { type: 'string', minLength: 1, maxLength: maxCharacters };
const listOf = (items: object) => ({ type: 'array', minItems: 1, items });

/** What a prediction is asked for, checked for all that can be known without the model. */
export const predictionInput = z
  .unknown()
  .superRefine((value, context) => {
    const problem = problemOf(value);
    if (problem !== null) context.addIssue(problem);
  })
  .meta({
    description:
      `One sequence, or a list of up to ${maxPredictionInputs}, as the input of the records is that the model was trained on: a text, a list of tokens, or a ` +
      'list of vectors (the numbers alone of vectors of width 1). Tokens that were not trained on are read as `<unk>`.',
    anyOf: [
      text,
      listOf(text),
      listOf(listOf(text)),
      listOf({ type: 'number' }),
      listOf(listOf({ type: 'number' })),
      listOf(listOf(listOf({ type: 'number' }))),
    ],
  }) as unknown as z.ZodType<PredictionInput, PredictionInput>;
