import type { z } from 'zod';
import { type ErrorCode, UnfoldError } from './error-catalogue.ts';

type Issue = z.core.$ZodIssue;

const fieldPath = (path: readonly PropertyKey[], prefix: string): string | null => {
  const joined = path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    prefix,
  );
  return joined === '' ? null : joined;
};

const valueAt = (input: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    input,
  );

/** A short, safe picture of a received value: never more than 80 characters of it. */
export const describeValue = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value !== null && typeof value === 'object') return 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
};

const article = (noun: string): string => (/^[aeio]/.test(noun) ? `an ${noun}` : `a ${noun}`);

const expectedType = (type: string): string =>
  ({ int: 'an integer', record: 'an object', array: 'a list' })[type] ?? article(type);

const units: Record<string, [one: string, more: string]> = {
  string: [' character', ' characters'],
  array: [' entry', ' entries'],
};

const unit = (origin: string, count: number | bigint): string => units[origin]?.[count === 1 ? 0 : 1] ?? '';

const expectation = (issue: Issue): string => {
  switch (issue.code) {
    case 'invalid_type':
      if ((issue.expected as string) === 'null') return 'not supported yet: expected null';
      return `expected ${expectedType(issue.expected)}`;
    case 'too_small':
      return `expected ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${unit(issue.origin, issue.minimum)}`;
    case 'too_big':
      return `expected ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${unit(issue.origin, issue.maximum)}`;
    case 'invalid_value':
      return issue.values.length === 1
        ? `expected ${describeValue(issue.values[0])}`
        : `expected one of ${issue.values.map(describeValue).join(', ')}`;
    case 'invalid_union': {
      const { options } = issue as { options?: unknown[] };
      const named = options?.filter((option) => option !== undefined).map(describeValue);
      return named ? `expected one of ${named.join(', ')}` : issue.message;
    }
    case 'not_multiple_of':
      return `expected a multiple of ${issue.divisor}`;
    default:
      return issue.message;
  }
};

/** The issue that speaks most plainly: for a union, that of the branch which got furthest. */
const mostSpecific = (issue: Issue): Issue => {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return issue;
  const all = issue.errors.flatMap((branch) => branch.slice(0, 1)).map(mostSpecific);
  // A branch of another type was never meant.
  const meant = all.filter(({ code, path }) => code !== 'invalid_type' || path.length > 0);
  const branches = meant.length > 0 ? meant : all;
  const deepest = branches.reduce((best, next) => (next.path.length > best.path.length ? next : best));
  if (deepest.path.length > 0) return { ...deepest, path: [...issue.path, ...deepest.path] };
  const texts = [...new Set(branches.map(expectation))];
  const message = texts.every((text) => text.startsWith('expected '))
    ? `expected ${texts.map((text) => text.slice('expected '.length)).join(', or ')}`
    : texts.join(', or ');
  return { code: 'custom', path: issue.path, message, input: issue.input } as Issue;
};

/** Issues whose messages are whole sentences can be told together. */
const sentencesOf = (issues: readonly Issue[]): string[] =>
  issues.flatMap((issue) => (issue.code === 'custom' && issue.message.endsWith('.') ? [issue.message] : []));

/** The entry of a list of the request, `jobs[3]`, that a path leads into; null if it leads into none. */
const entryOf = ([list, place]: readonly PropertyKey[]): string | null =>
  typeof place === 'number' ? `${String(list)}[${place}]` : null;

/**
 * Turns what zod found into the error that a client reads: the first problem, or all of those that are told in whole sentences, such as options that
 * exclude each other; `param` is the first one's.
 * @param prefix the path of the value within the request, if it is not its root
 */
export const toRequestError = (
  error: z.ZodError | z.core.$ZodError,
  input: unknown,
  prefix = '',
): UnfoldError => {
  const first = error.issues[0] as Issue;
  const issue = mostSpecific(first);
  const param = fieldPath(issue.path, prefix);
  const where = param ?? 'the request';
  if (issue.code === 'unrecognized_keys') {
    const unknown = fieldPath([...issue.path, issue.keys[0] ?? ''], prefix);
    return new UnfoldError('unknown_field', `Unknown field ${unknown}.`, { param: unknown });
  }
  const custom = issue.code === 'custom' ? (issue.params as { code?: ErrorCode } | undefined) : undefined;
  const received = valueAt(input, issue.path);
  const missing = received === undefined && first.code !== 'custom';
  const code = custom?.code ?? (missing ? 'missing_field' : 'invalid_value');
  const text = missing ? expectation(issue).replace(/^not supported yet: /, '') : expectation(issue);
  // A message that is a whole sentence (it ends in a full stop) already names its fields.
  const entry = entryOf(issue.path);
  const told = [issue, ...error.issues.slice(1).filter(({ path }) => entryOf(path) === entry)];
  const message = text.endsWith('.')
    ? `${entry === null ? '' : `${entry}: `}${sentencesOf(told).join(' ')}`
    : `${where}: ${text}, but received ${describeValue(received)}.`;
  return new UnfoldError(code, message, { param });
};

/** An error of a part of a request, told of the whole: its field, which the message begins with, is told from the request's root. */
export const withinField = (error: UnfoldError, field: string): UnfoldError => {
  if (error.param === null) return error;
  const param = `${field}.${error.param}`;
  const message = error.message.startsWith(`${error.param}: `)
    ? `${field}.${error.message}`
    : `${param}: ${error.message}`;
  return new UnfoldError(error.code, message, { param, cause: error });
};

/** Parses a value that came from outside; throws the `UnfoldError` that says what is wrong with it. */
export const parseRequest = <S extends z.ZodType>(schema: S, input: unknown, prefix = ''): z.output<S> => {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw toRequestError(parsed.error, input, prefix);
};
