import { parse } from 'node:querystring';

const nested = /^([^[\]]+)\[([^[\]]+)\]$/;

/**
 * Parses a query string. `metadata[key]=value` becomes an object, a repeated key becomes a list; every object is
 * without a prototype, so that no key is special.
 */
export const parseQueryString = (text: string): Record<string, unknown> => {
  const result: Record<string, unknown> = Object.create(null);
  if (text === '') return result;
  for (const [name, value] of Object.entries(parse(text, '&', '=', { maxKeys: 100 }))) {
    const [, outer, inner] = nested.exec(name) ?? [];
    if (outer === undefined || inner === undefined) {
      result[name] = value;
      continue;
    }
    const existing = result[outer];
    const group: Record<string, unknown> =
      typeof existing === 'object' && existing !== null && !Array.isArray(existing)
        ? (existing as Record<string, unknown>)
        : Object.create(null);
    group[inner] = value;
    result[outer] = group;
  }
  return result;
};
