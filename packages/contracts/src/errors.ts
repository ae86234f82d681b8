import { z } from 'zod';
import { errorCatalogue, errorCodes, type UnfoldError } from './error-catalogue.ts';

/** The body of every error answer, on every route and every refused socket. */
export const errorEnvelope = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string(),
      request_id: z.string().nullable(),
    }),
  })
  .meta({ id: 'Error', description: 'The one shape of every error.' });
export type ErrorEnvelope = z.infer<typeof errorEnvelope>;

export const toEnvelope = (error: UnfoldError, requestId: string | null): ErrorEnvelope => ({
  error: {
    message: error.message,
    type: errorCatalogue[error.code].type,
    param: error.param,
    code: error.code,
    request_id: requestId,
  },
});

/** Why a job failed, as its resource and its last status frame say it. */
export const jobError = z.object({
  code: z.enum(errorCodes),
  message: z.string(),
  param: z.string().nullable().default(null),
});
export type JobError = z.infer<typeof jobError>;
