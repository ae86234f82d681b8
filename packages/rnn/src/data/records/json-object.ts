import { describeValue } from '@unfold/contracts/values';
import { problem } from './data-problem.ts';

/** The keys of the outermost object, as often as they are written; `JSON.parse` would silently keep the last of two. */
const outermostKeys = (json: string): string[] => {
  const keys: string[] = [];
  let depth = 0;
  let expectsKey = false;
  for (let at = 0; at < json.length; at++) {
    switch (json.charCodeAt(at)) {
      case 0x22: {
        const start = at;
        for (at++; json.charCodeAt(at) !== 0x22; at++) if (json.charCodeAt(at) === 0x5c) at++;
        if (depth === 1 && expectsKey) keys.push(JSON.parse(json.slice(start, at + 1)) as string);
        expectsKey = false;
        break;
      }
      case 0x7b:
        depth++;
        expectsKey = depth === 1;
        break;
      case 0x5b:
        depth++;
        break;
      case 0x5d:
      case 0x7d:
        depth--;
        break;
      case 0x2c:
        expectsKey = depth === 1;
        break;
    }
  }
  return keys;
};

export const parseJson = (text: string, expected: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw problem(`${expected} as JSON`, `${describeValue(text)}, which is not JSON`);
  }
};

/**
 * A line of JSON Lines as an object of exactly these keys.
 * @param shape how errors show what was expected, `{"input": …}`
 */
export const parseObject = <K extends string>(
  text: string,
  keys: readonly K[],
  shape: string,
): Record<K, unknown> => {
  const value = parseJson(text, shape);
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw problem(shape, describeValue(value));
  const found = outermostKeys(text);
  const missing = keys.find((key) => !found.includes(key));
  if (missing !== undefined) throw problem(shape, `an object without ${JSON.stringify(missing)}`);
  const unknown = found.find((key) => !keys.includes(key as K));
  if (unknown !== undefined) throw problem(shape, `an object with the unknown key ${describeValue(unknown)}`);
  const twice = found.find((key, k) => found.indexOf(key) !== k);
  if (twice !== undefined) throw problem(`${JSON.stringify(twice)} once`, 'it twice');
  return value as Record<K, unknown>;
};
