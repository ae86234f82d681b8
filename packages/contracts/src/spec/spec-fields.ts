import { z } from 'zod';
import { fileId, modelName } from '../ids.ts';
import { metadata } from '../text.ts';
import { deviceClasses, engineNames } from './demand.ts';
import { modelOptions } from './model-options.ts';
import { seriesOptions } from './series-options.ts';
import { startFrom } from './start-from.ts';
import { task } from './tasks.ts';
import { textOptions } from './text-options.ts';
import { trainingOptions } from './training-options.ts';

/** What a training job may say, each field by itself. */
export const specFields = z.strictObject({
  name: modelName
    .nullable()
    .default(null)
    .meta({ description: 'The name that the finished model answers to.' }),
  file: fileId.meta({ description: 'What to train on; the task says in which format.' }),
  validation_file: fileId
    .nullable()
    .default(null)
    .meta({ description: 'What to validate on instead of a part of `file`.' }),
  task,
  text: textOptions.prefault({}),
  series: seriesOptions.prefault({}),
  model: modelOptions.prefault({}),
  training: trainingOptions.prefault({}),
  start_from: startFrom
    .nullable()
    .default(null)
    .meta({ description: 'A trained model to start from. null: random weights.' }),
  engine: z
    .enum(['auto', ...engineNames])
    .default('auto')
    .meta({
      description:
        'What computes: `native` or `reference` on the processor, `webgpu` on a GPU, `tfjs` on what TensorFlow.js finds; `auto` is the worker’s choice.',
    }),
  device: z
    .enum(deviceClasses)
    .nullable()
    .default(null)
    .meta({ description: 'The kind of device to run on. null: any that has the engine.' }),
  seed: z.int().min(0).max(4_294_967_295).default(1).meta({
    description: 'Of every random number: the same seed gives the same run.',
  }),
  priority: z.int().min(-100).max(100).default(0).meta({ description: 'Higher first.' }),
  metadata: metadata.default({}).meta({ description: 'Up to 16 labels of your own.' }),
});

/** A completed spec: every default filled in. */
export type CompletedSpec = z.output<typeof specFields>;
