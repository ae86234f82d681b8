import type { z } from 'zod';
import { contradiction } from './spec/contradictions/contradiction.ts';
import { findContradictions } from './spec/contradictions/find-contradictions.ts';
import { type CompletedSpec, specFields } from './spec/spec-fields.ts';

export type { CompletedSpec };

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
export const jobSpec = specFields
  .overwrite(fillIn)
  .superRefine((spec, context) => {
    for (const { path, message } of findContradictions(spec)) context.addIssue(contradiction(path, message));
  })
  .meta({ id: 'JobSpec', description: 'A training job. Only `file` is required.' });

export type JobSpec = CompletedSpec;
/** A spec as a client may write it. */
export type JobSpecInput = z.input<typeof jobSpec>;
