import { describeValue, UnfoldError } from '@unfold/contracts/values';
import { fitsSingle } from './data/records/data-limits.ts';
import type { DataRecord } from './data/records/data-record.ts';
import type { RecordEncoding } from './data/records/record-encoding.ts';

/**
 * A text, tokens that stand for themselves, or vectors (or numbers, where they are of one): what the records that the model was trained
 * on have as their input. A forecast's is the series so far.
 */
export type PredictionInput = string | readonly string[] | readonly (readonly number[])[] | readonly number[];

/** @throws UnfoldError `invalid_value` */
export const refuseInput = (expected: string, received: string): never => {
  throw new UnfoldError('invalid_value', `Expected ${expected} for input, but received ${received}.`, {
    param: 'input',
  });
};

/** An error of the k-th of many inputs, its places those of the whole list. */
export const atInput = (k: number, error: unknown): unknown =>
  error instanceof UnfoldError && error.param === 'input'
    ? new UnfoldError(error.code, error.message.replaceAll('input[', `input[${k}][`), {
        param: `input[${k}]`,
        cause: error,
      })
    : error;

const isList = <T>(
  value: PredictionInput,
  of: (each: unknown) => each is T,
): value is readonly never[] & T[] => Array.isArray(value) && value.length > 0 && value.every(of);

const isText = (value: unknown): value is string => typeof value === 'string';

/** The numbers of vectors of `width`, which may be written as numbers alone where they are of one. */
const vectorsOf = (value: PredictionInput, width: number): Float64Array => {
  const expected = `a list of vectors of ${width} ${width === 1 ? 'number' : 'numbers'} that is not empty`;
  if (!Array.isArray(value) || value.length === 0) return refuseInput(expected, describeValue(value));
  const numbers = new Float64Array(value.length * width);
  for (const [t, each] of value.entries()) {
    const vector: unknown = width === 1 && typeof each === 'number' ? [each] : each;
    if (!Array.isArray(vector) || vector.length !== width)
      return refuseInput(expected, `${describeValue(each)} at input[${t}]`);
    const odd = vector.findIndex((number) => typeof number !== 'number' || !fitsSingle(number));
    if (odd >= 0) return refuseInput(expected, `${describeValue(vector[odd])} at input[${t}][${odd}]`);
    numbers.set(vector, t * width);
  }
  return numbers;
};

/**
 * The input as a record of the model's data has it.
 * @throws UnfoldError `invalid_value`
 */
export const inputRecord = ({ input }: RecordEncoding, value: PredictionInput): DataRecord['input'] => {
  const received = describeValue(value);
  switch (input.kind) {
    case 'text':
      return isText(value) && value !== ''
        ? { kind: 'text', text: value }
        : refuseInput('a text that is not empty', received);
    case 'tokens':
      return isList(value, isText)
        ? { kind: 'tokens', tokens: value }
        : refuseInput('a list of tokens (texts) that is not empty', received);
    case 'vectors': {
      const { width } = input;
      const values = vectorsOf(value, width);
      return { kind: 'vectors', steps: values.length / width, width, values, present: null };
    }
  }
};
