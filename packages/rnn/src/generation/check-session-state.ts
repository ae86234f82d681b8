import type { EndingState } from './endings.ts';
import type { SessionState } from './session-state.ts';

/** As it was parsed: anything. */
type Unchecked<T> = { [K in keyof T]?: unknown };

export const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
/** The longest text: places in it are numbers of 32 bits to the kernels and to the streams of random numbers. */
export const longestText = 2 ** 31 - 1;

const isCount = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= longestText;
const isShare = (value: unknown): boolean =>
  value === null || (Number.isFinite(value) && (value as number) >= 0 && (value as number) <= longestText);

const isEnding = (value: unknown): boolean => {
  if (!isObject(value)) return false;
  const { draws, time, remaining } = value as Unchecked<EndingState>;
  return isCount(draws) && isCount(time) && (remaining === null || isCount(remaining));
};

/** Bytes that a character of UTF-8 may have but for its last. */
const longestOpen = 3;

/**
 * Whether what a state says beside its numbers could be a model's. Clients keep states and send them again, so that nothing in them may be
 * taken for granted: a token beyond the vocabulary would be read from beyond the weights.
 * @param vocabulary tokens of the model
 */
export const isSessionHeader = (
  header: Unchecked<Omit<SessionState, 'state'>>,
  vocabulary: number,
): header is Omit<SessionState, 'state'> => {
  const isToken = (value: unknown): boolean => isCount(value) && value < vocabulary;
  const { pending, position, drawn, ending, counts, open, context } = header;
  return (
    Array.isArray(pending) &&
    pending.every((each) => isObject(each) && isToken(each.token) && isShare(each.remaining)) &&
    isCount(position) &&
    isCount(drawn) &&
    isEnding(ending) &&
    Array.isArray(counts) &&
    counts.every((each) => Array.isArray(each) && isToken(each[0]) && isCount(each[1])) &&
    Array.isArray(open) &&
    open.length <= longestOpen &&
    open.every(isToken) &&
    (context === null || (Array.isArray(context) && context.every(Number.isFinite)))
  );
};
