import { specLimits } from '@unfold/contracts/values';

/** Bounds of one record, so that memory is constant in the file's size. Beyond them data is refused with its line. */
export const dataLimits = {
  /** UTF-16 units of a line: of text, JSON Lines or CSV. */
  line: 4 * 1024 * 1024,
  /** Time steps of a record; an endless text or series has no such bound. */
  steps: specLimits.sequence_length,
  /** Numbers of a vector, and columns of a series. */
  width: 4096,
  /** Code points of a label, or of a token of a list. */
  label: 256,
  /** Distinct labels, or distinct tokens of an output. */
  labels: specLimits.max_vocab,
} as const;

/** Numbers are stored and computed with in single precision: beyond it they would become infinite. */
export const fitsSingle = (value: number): boolean => Number.isFinite(Math.fround(value));
