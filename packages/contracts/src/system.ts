import { z } from 'zod';
import { keyScope } from './resources.ts';

const stored = z.object({ count: z.int(), bytes: z.int() });

/** `GET /v1/system`: what a page about the service shows beside workers and devices. */
export const systemResource = z
  .object({
    object: z.literal('system'),
    project: z.string(),
    scopes: z.array(keyScope).meta({ description: 'What whoever asks may do.' }),
    jobs: z
      .object({ queued: z.int(), running: z.int(), paused: z.int() })
      .meta({ description: 'Unfinished jobs of your project.' }),
    queue: z
      .object({
        waiting: z.int().meta({ description: 'Queued jobs of all projects.' }),
        longest_wait_seconds: z.number(),
      })
      .meta({ description: 'What the workers have before them.' }),
    storage: z
      .object({ files: stored, checkpoints: stored, models: stored, sessions: stored })
      .meta({ description: 'What your project keeps.' }),
    database_bytes: z.int().meta({ description: 'The whole database, of all projects.' }),
    disk: z
      .object({ total_bytes: z.int(), free_bytes: z.int() })
      .nullable()
      .meta({ description: 'Where files and weights are kept; null: the machine does not tell.' }),
    limits: z
      .object({
        upload_bytes: z.int(),
        model_parameters: z.int(),
        sequence_length: z.int(),
      })
      .meta({ description: 'What this server takes at most.' }),
  })
  .meta({ id: 'System' });
export type SystemResource = z.infer<typeof systemResource>;
