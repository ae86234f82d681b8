import { describeValue } from '@unfold/contracts/values';
import { dataLimits, fitsSingle } from './data-limits.ts';
import { problem } from './data-problem.ts';
import type { Tokens, Vectors } from './data-record.ts';

/** Text that can be stored and shown: neither U+0000 nor half a surrogate pair. */
export const requireText = (value: unknown, field: string): string => {
  if (typeof value !== 'string') throw problem(`${field} to be text`, describeValue(value));
  if (value === '') throw problem(`${field} to be text that is not empty`, '""');
  if (value.includes('\u0000')) throw problem(`${field} without the character U+0000`, describeValue(value));
  if (/\p{Surrogate}/u.test(value)) throw problem(`${field} without lone surrogates`, describeValue(value));
  return value;
};

export const requireLabel = (value: unknown, field: string): string => {
  const label = requireText(value, field);
  if ([...label].length > dataLimits.label)
    throw problem(`${field} of at most ${dataLimits.label} characters`, describeValue(label));
  return label;
};

const requireNumber = (value: unknown, field: string): number => {
  if (typeof value !== 'number') throw problem(`${field} to be a number`, describeValue(value));
  // JSON has no infinity, but 1e999 is read as one.
  if (!fitsSingle(value))
    throw problem(
      `${field} to be a number within single precision (3.4e38)`,
      Number.isFinite(value) ? describeValue(value) : 'one beyond the range of doubles',
    );
  return value;
};

const requireList = (value: unknown, field: string, what: string): unknown[] => {
  if (!Array.isArray(value)) throw problem(`${field} to be ${what}`, describeValue(value));
  if (value.length === 0) throw problem(`${field} to be ${what}`, 'an empty list');
  return value;
};

export const requireVector = (value: unknown, field: string): Float64Array => {
  const list = requireList(value, field, 'a list of numbers');
  if (list.length > dataLimits.width)
    throw problem(`${field} of at most ${dataLimits.width} numbers`, describeValue(list));
  return Float64Array.from(list, (entry, k) => requireNumber(entry, `${field}[${k}]`));
};

/** A vector, or the one number of a vector of width 1. */
export const vectorOf = (value: unknown, field: string): Float64Array =>
  typeof value === 'number' ? Float64Array.of(requireNumber(value, field)) : requireVector(value, field);

const readVectors = (list: unknown[], field: string, nullable: boolean): Vectors => {
  const first = list.findIndex((entry) => entry !== null);
  const width = vectorOf(list[first], `${field}[${first}]`).length;
  const values = new Float64Array(list.length * width);
  const present = nullable && list.includes(null) ? new Uint8Array(list.length) : null;
  list.forEach((entry, t) => {
    if (entry === null && nullable) return;
    const vector = vectorOf(entry, `${field}[${t}]`);
    if (vector.length !== width)
      throw problem(`${field}[${t}] of ${width} numbers as the vectors before`, `${vector.length}`);
    values.set(vector, t * width);
    if (present) present[t] = 1;
  });
  return { kind: 'vectors', steps: list.length, width, values, present };
};

/**
 * A list of tokens (texts) or of vectors (numbers or lists of numbers); its first entry that is not null says which.
 * @param nullable whether entries may be null
 */
export const requireSequence = (value: unknown, field: string, nullable: boolean): Tokens | Vectors => {
  const list = requireList(value, field, 'a list of tokens or of vectors');
  if (list.length > dataLimits.steps)
    throw problem(`${field} of at most ${dataLimits.steps} entries`, describeValue(list));
  const first = list.find((entry) => entry !== null);
  if (typeof first === 'string')
    return {
      kind: 'tokens',
      tokens: list.map((entry, t) =>
        entry === null && nullable ? null : requireLabel(entry, `${field}[${t}]`),
      ),
    };
  if (first === undefined && !nullable) throw problem(`${field}[0] to be text or numbers`, 'null');
  if (first === undefined) throw problem(`${field} with at least one entry that is not null`, 'nulls only');
  if (typeof first === 'number' || Array.isArray(first)) return readVectors(list, field, nullable);
  throw problem(`${field} to be a list of tokens or of vectors`, `a list with ${describeValue(first)}`);
};
