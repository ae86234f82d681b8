import type { CompletedSpec } from '../spec-fields.ts';
import { quoted, writesText } from './rule.ts';

type Warning = (spec: CompletedSpec) => string | null;

const bigram: Warning = (spec) =>
  spec.model.recurrence === 'output' && writesText(spec)
    ? `model.recurrence "output" with task ${quoted(spec.task)} is a bigram model: each token depends on the one before it alone.`
    : null;

const firstOrder: Warning = ({ model, task }) =>
  model.recurrence === 'output' && task === 'forecasting'
    ? 'model.recurrence "output" with task "forecasting" is of first order: each step depends on the one before it alone.'
    : null;

const redundant: Warning = ({ model, task }) =>
  model.recurrence === 'both' && task === 'forecasting'
    ? 'model.recurrence "both" with task "forecasting" computes no more than "hidden": what is fed back to a step is the value that it reads anyway.'
    : null;

/** Where `training.diagnostics_every` cannot take time steps one by one. */
const undiagnosed: Warning = ({ model, training }) => {
  const option = model.bidirectional
    ? 'model.bidirectional'
    : model.norm === 'batch'
      ? 'model.norm "batch"'
      : `model.recurrence ${quoted(model.recurrence)}`;
  const plain = !model.bidirectional && model.norm !== 'batch' && model.recurrence === 'hidden';
  return plain || !training.diagnostics_every
    ? null
    : `training.diagnostics_every with ${option} tells spectral radii and gradient norms, but neither gradients through time nor saturation.`;
};

/** What is allowed but probably not meant, in sentences. */
export const specWarnings = (spec: CompletedSpec): string[] =>
  [bigram, firstOrder, redundant, undiagnosed].flatMap((warning) => warning(spec) ?? []);
