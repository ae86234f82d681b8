import { z } from 'zod';

const counts = (description: string) =>
  z
    .object({
      size: z.int(),
      frequent: z
        .array(z.object({ token: z.string(), count: z.int() }))
        .meta({ description: 'The most frequent, the most frequent first.' }),
    })
    .nullable()
    .meta({ description });

const tokensOrVectors = [z.array(z.string()), z.array(z.array(z.number()))];

/** `POST /v1/jobs/preview`: what the beginning of a job's file becomes, before the job is posted. */
export const previewResource = z
  .object({
    object: z.literal('training.preview'),
    read_bytes: z
      .int()
      .meta({ description: 'How many bytes were looked at: the whole file, or its beginning.' }),
    file_bytes: z.int(),
    kind: z
      .enum(['text', 'series', 'records'])
      .meta({ description: 'One endless text, one endless series, or records.' }),
    sequences: z.int().meta({ description: 'Records; 1 of what is endless.' }),
    tokens: z.int().meta({ description: 'Tokens or time steps of all of them.' }),
    shortest: z.int().meta({ description: 'Those of the shortest sequence.' }),
    longest: z.int().meta({ description: 'Those of the longest sequence.' }),
    vocabulary: counts(
      'Tokens of the input: rows of the vocabulary, `<unk>` and `<s>` included. null: the input is vectors.',
    ),
    labels: counts('Labels, output tokens or contexts, where they are names.'),
    vectors: z
      .object({
        width: z.int(),
        names: z
          .array(z.string())
          .nullable()
          .meta({ description: 'What a CSV file calls the first columns.' }),
        normalization: z
          .object({ mean: z.array(z.number()), deviation: z.array(z.number()) })
          .nullable()
          .meta({ description: 'Of the first columns.' }),
      })
      .nullable()
      .meta({ description: 'Of an input that is vectors.' }),
    examples: z
      .array(
        z.object({
          line: z.int(),
          input: z.union(tokensOrVectors),
          output: z
            .union([z.string(), z.array(z.string().nullable()), z.array(z.array(z.number()).nullable())])
            .nullable(),
          context: z.union([z.string(), z.array(z.number())]).nullable(),
          steps: z.int().meta({ description: 'Tokens or time steps that it has; fewer may be shown.' }),
        }),
      )
      .meta({ description: 'How the first sequences begin, as the network is given them.' }),
  })
  .meta({ id: 'Preview' });
export type PreviewResource = z.infer<typeof previewResource>;
