import { z } from 'zod';
import { fileId, modelName } from './ids.ts';
import { contradiction } from './spec/contradictions/contradiction.ts';
import { findContradictions } from './spec/contradictions/find-contradictions.ts';
import { deviceClasses, engineNames } from './spec/demand.ts';
import { modelOptions } from './spec/model-options.ts';
import { seriesOptions } from './spec/series-options.ts';
import { startFrom } from './spec/start-from.ts';
import { task } from './spec/tasks.ts';
import { textOptions } from './spec/text-options.ts';
import { trainingOptions } from './spec/training-options.ts';
import { metadata } from './text.ts';

const fields = z.strictObject({
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
export type CompletedSpec = z.output<typeof fields>;

/** The defaults that depend on another field. */
const fillIn = (spec: CompletedSpec): CompletedSpec => {
  const { task, text, series, model, training } = spec;
  const readsRecords = task !== 'language_model' && task !== 'forecasting';
  const normalizes = task === 'forecasting' && training.loss === 'squared_error';
  return {
    ...spec,
    text: { ...text, sequences: text.sequences ?? (readsRecords ? 'json_lines' : 'whole') },
    series: { ...series, normalization: series.normalization ?? (normalizes ? 'standard' : 'none') },
    model: {
      ...model,
      context:
        task === 'conditional_generation' ? (model.context ?? { inject: 'every_step' }) : model.context,
    },
  };
};

/** A training job as a client may write it: only `file` is required, everything else has a default. */
export const jobSpec = fields
  .overwrite(fillIn)
  .superRefine((spec, context) => {
    for (const { path, message } of findContradictions(spec)) context.addIssue(contradiction(path, message));
  })
  .meta({ id: 'JobSpec', description: 'A training job. Only `file` is required.' });

export type JobSpec = CompletedSpec;
/** A spec as a client may write it. */
export type JobSpecInput = z.input<typeof jobSpec>;
