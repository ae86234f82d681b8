import type { CompletedSpec } from '../../job-spec.ts';
import { dataRules } from './data.ts';
import { networkRules } from './network.ts';
import { quoted, writesText } from './rule.ts';
import { trainingRules } from './training.ts';

/** Every pair of options of a spec that exclude each other, or the task. */
export const findContradictions = (spec: CompletedSpec): { path: string[]; message: string }[] =>
  [...networkRules, ...dataRules, ...trainingRules].flatMap((rule) => {
    const found = rule(spec);
    return found === null ? [] : [{ path: found[0].split('.'), message: found[1] }];
  });

const bigram = ({ model, task }: CompletedSpec): string[] => [
  `model.recurrence ${quoted(model.recurrence)} with task ${quoted(task)} is a bigram model: each token depends on the one before it alone.`,
];

/** Where `training.diagnostics_every` cannot take time steps one by one. */
const undiagnosed = ({ model, training }: CompletedSpec): string[] => {
  const option = model.bidirectional
    ? 'model.bidirectional'
    : model.norm === 'batch'
      ? 'model.norm "batch"'
      : `model.recurrence ${quoted(model.recurrence)}`;
  const plain = !model.bidirectional && model.norm !== 'batch' && model.recurrence === 'hidden';
  return training.diagnostics_every === null || plain
    ? []
    : [
        `training.diagnostics_every with ${option} tells spectral radii and gradient norms, but neither gradients through time nor saturation.`,
      ];
};

/** What is allowed but probably not meant, in sentences for the log. */
export const specWarnings = (spec: CompletedSpec): string[] =>
  spec.model.recurrence === 'output' && writesText(spec)
    ? [...bigram(spec), ...undiagnosed(spec)]
    : undiagnosed(spec);
