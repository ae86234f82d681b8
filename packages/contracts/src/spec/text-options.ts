import { z } from 'zod';
import { specLimits } from './limits.ts';

const sequences = z.enum(['whole', 'lines', 'blank_lines', 'json_lines']);

export const textOptions = z
  .strictObject({
    level: z
      .enum(['char', 'word', 'byte'])
      .default('char')
      .meta({ description: 'What one token is: a Unicode code point, a word or a byte.' }),
    // Typed as always present, since the spec fills it in from the task.
    sequences: sequences.optional().meta({
      description:
        'What one sequence is. whole: the file is one endless text; lines: each line that is not empty; blank_lines: each run of lines ' +
        'between empty ones; json_lines: each line of JSON Lines, for a language model the `text` of {"text": "…"}. Default: ' +
        'whole for a language model, json_lines for the tasks that read them.',
    }) as unknown as z.ZodDefault<typeof sequences>,
    max_vocab: z.int().min(2).max(specLimits.max_vocab).nullable().default(null).meta({
      description:
        'Keep only the most frequent tokens, the rest become `<unk>`. null: every character, or the 20,000 most frequent words.',
    }),
    lowercase: z
      .boolean()
      .default(false)
      .meta({ description: 'Fold the text to lower case before it is tokenized.' }),
  })
  .meta({ id: 'TextOptions', description: 'How text becomes tokens.' });

export type TextOptions = z.output<typeof textOptions>;
