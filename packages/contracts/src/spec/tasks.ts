import { z } from 'zod';

export const task = z
  .enum(['language_model', 'conditional_generation', 'sequence_labeling', 'classification', 'forecasting'])
  .default('language_model')
  .meta({
    description:
      'What is learned, and from which file. language_model: text. The others but forecasting read JSON Lines, a record each line: ' +
      'conditional_generation {"context": [numbers] | "label", "text": "…"}; sequence_labeling {"input": […], "output": […]}, equally ' +
      'long lists of tokens (texts) or of vectors (lists of numbers), null in an output that has no loss; classification {"input": "text" | ' +
      '[tokens] | [vectors], "label": "…"}. forecasting: CSV, or JSON Lines of numeric vectors.',
  });
export type Task = z.output<typeof task>;
