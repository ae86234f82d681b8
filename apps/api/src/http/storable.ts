import { UnfoldError } from '@unfold/contracts';

const loneSurrogate = /\p{Surrogate}/u;

/** No request of the contracts goes a fifth as deep. */
const maxDepth = 64;

interface Place {
  value: unknown;
  key: string | number | null;
  parent: Place | null;
  depth: number;
}

/**
 * Refuses U+0000 and lone surrogates anywhere in a request, names of fields included: PostgreSQL stores neither, and
 * so no route has to think of them. Refuses nesting deeper than 64 levels, too. Takes time in proportion to the
 * request's size, and walks with a stack of its own, since a body may be nested deeper than ours goes.
 * @throws UnfoldError `invalid_value`, naming the field
 */
export const refuseUnstorableText = (root: unknown): void => {
  const open: Place[] = [{ value: root, key: null, parent: null, depth: 0 }];
  for (let place = open.pop(); place; place = open.pop()) {
    const { value, depth } = place;
    if (typeof value === 'string') refuse(value, place);
    if (value === null || typeof value !== 'object') continue;
    if (depth >= maxDepth) throw refusal(place, `expected at most ${maxDepth} levels of nesting`);
    const isList = Array.isArray(value);
    for (const [key, entry] of isList ? value.entries() : Object.entries(value)) {
      if (!isList) refuse(key as string, place);
      open.push({ value: entry, key, parent: place, depth: depth + 1 });
    }
  }
};

/** Built only for a refusal: a path kept with every value would cost the square of the depth. */
const pathOf = (place: Place): string => {
  const keys: (string | number)[] = [];
  for (let at: Place | null = place; at !== null && at.key !== null; at = at.parent) keys.unshift(at.key);
  return keys.reduce<string>(
    (path, key) => (typeof key === 'number' ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`),
    '',
  );
};

const refusal = (place: Place, problem: string): UnfoldError => {
  const path = pathOf(place);
  const param = path === '' ? null : path.slice(0, 200);
  return new UnfoldError('invalid_value', `${param ?? 'the request'}: ${problem}.`, { param });
};

const refuse = (text: string, place: Place): void => {
  if (text.includes('\u0000')) throw refusal(place, 'expected text without the character U+0000');
  if (loneSurrogate.test(text)) throw refusal(place, 'expected valid Unicode, but received a lone surrogate');
};
