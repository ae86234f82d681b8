import { toRequestError, UnfoldError } from '@unfold/contracts';
import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { refuseUnstorableText } from './storable.ts';

/**
 * `?after=` is a mistake of whoever built the URL, not the number 0 or no `after`; it is none where it means null.
 * @param isMistake says so of an empty parameter, by its name
 */
const refuseEmpty = (query: unknown, isMistake: (key: string) => boolean): UnfoldError | null => {
  const empty = Object.entries(query ?? {}).find(([key, entry]) => entry === '' && isMistake(key))?.[0];
  if (empty === undefined) return null;
  return new UnfoldError('invalid_value', `${empty}: expected a value, but received "".`, { param: empty });
};

/** Validates params, query and body with zod; the error is the catalogue's, and names the field. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> =
  ({ schema, httpPart }) =>
  (received) => {
    // Fastify turns an absent body into null.
    const data = httpPart === 'body' ? (received ?? undefined) : received;
    try {
      refuseUnstorableText(data);
    } catch (error) {
      return { error: error as Error };
    }
    const parsed = schema.safeParse(data);
    const isMistake = (key: string): boolean =>
      parsed.success
        ? (parsed.data as Record<string, unknown>)[key] !== null
        : parsed.error.issues.some(({ path }) => path[0] === key);
    const empty = httpPart === 'querystring' ? refuseEmpty(data, isMistake) : null;
    if (empty !== null) return { error: empty };
    if (parsed.success) return { value: parsed.data };
    return { error: toRequestError(parsed.error, data, data === undefined ? 'body' : '') };
  };
