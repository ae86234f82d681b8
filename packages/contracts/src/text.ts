import { z } from 'zod';

const loneSurrogate = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** Text that PostgreSQL and JSON both carry unchanged: no U+0000 and no lone surrogate. */
export const cleanText = (limits: { min?: number; max: number }) =>
  z
    .string()
    .min(limits.min ?? 0)
    .max(limits.max)
    .refine((text) => !text.includes('\u0000'), 'expected text without the character U+0000')
    .refine((text) => !loneSurrogate.test(text), 'expected valid Unicode without lone surrogates');

/** Up to 16 labels of the caller's own, as in OpenAI's API. */
export const metadata = z
  .record(cleanText({ min: 1, max: 64 }), cleanText({ max: 512 }))
  .refine((entries) => Object.keys(entries).length <= 16, 'expected at most 16 entries');
