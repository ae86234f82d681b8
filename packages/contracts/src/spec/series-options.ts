import { z } from 'zod';
import { specLimits } from './limits.ts';

const column = z.union([z.string().min(1).max(256), z.int().min(0).max(4095)]);

const normalization = z.enum(['none', 'standard']);

export const seriesOptions = z
  .strictObject({
    format: z
      .enum(['csv', 'json_lines'])
      .nullable()
      .default(null)
      .meta({
        description:
          'How a forecasting file is written. json_lines: each line one time step, a list of numbers, or one whole series, ' +
          '{"values": [[…], …]}. null: JSON Lines if the file begins with [ or {, else CSV.',
      }),
    delimiter: z
      .enum([',', ';', '\t', '|', ' '])
      .default(',')
      .meta({ description: 'What stands between the cells of a CSV line.' }),
    header: z.boolean().nullable().default(null).meta({
      description:
        'Whether the first line of a CSV file names its columns. null: it does unless all of its chosen cells are numbers.',
    }),
    columns: z
      .array(column)
      .min(1)
      .max(4096)
      .nullable()
      .default(null)
      .meta({
        description:
          'The columns of a CSV file to use, by name or by place from 0. null: every column whose first value is a number. ' +
          'A validation file is read by the names that they have in the file to train on, whatever their order there.',
      }),
    // Typed as always present, since the spec fills it in from the task.
    normalization: normalization.optional().meta({
      description:
        'standard: subtract the mean and divide by the standard deviation of the training part, column by column; both are ' +
        'stored with the model, which takes and gives numbers as they are in the file. Default: standard for forecasting with ' +
        'squared error, else none.',
    }) as unknown as z.ZodDefault<typeof normalization>,
    horizon: z.int().min(1).max(specLimits.sequence_length).default(16).meta({
      description:
        'Time steps that an evaluation of a forecast runs in closed loop, fed with its own values.',
    }),
  })
  .meta({ id: 'SeriesOptions', description: 'How numbers are read: time series, and vectors of numbers.' });

export type SeriesOptions = z.output<typeof seriesOptions>;
