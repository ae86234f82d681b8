import { toRequestError } from '@unfold/contracts';
import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { refuseUnstorableText } from './storable.ts';

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
    if (parsed.success) return { value: parsed.data };
    return { error: toRequestError(parsed.error, data, data === undefined ? 'body' : '') };
  };
