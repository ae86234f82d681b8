import type { CompletedSpec } from '../spec-fields.ts';
import { dataRules } from './data.ts';
import { networkRules } from './network.ts';
import { trainingRules } from './training.ts';

/** Every pair of options of a spec that exclude each other, or the task. */
export const findContradictions = (spec: CompletedSpec): { path: string[]; message: string }[] =>
  [...networkRules, ...dataRules, ...trainingRules].flatMap((rule) => {
    const found = rule(spec);
    return found === null ? [] : [{ path: found[0].split('.'), message: found[1] }];
  });
