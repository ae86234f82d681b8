import { toRequestError, UnfoldError } from '@unfold/contracts';
import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { refuseUnstorableText } from './storable.ts';

/** `?after=` is a mistake of whoever built the URL, not the number 0 or no `after`; it is none where it means null. */
const checkEmpty = (query: unknown, value: unknown): { value: unknown } | { error: Error } => {
  const meant = (value ?? {}) as Record<string, unknown>;
  const empty = Object.entries(query ?? {}).find(([key, entry]) => entry === '' && meant[key] !== null)?.[0];
  if (empty === undefined) return { value };
  return {
    error: new UnfoldError('invalid_value', `${empty}: expected a value, but received "".`, { param: empty }),
  };
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
    if (parsed.success)
      return httpPart === 'querystring' ? checkEmpty(data, parsed.data) : { value: parsed.data };
    return { error: toRequestError(parsed.error, data, data === undefined ? 'body' : '') };
  };
