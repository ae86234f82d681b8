import type { CompletedSpec } from '../job-spec.ts';

/**
 * Options that the schema has but `rnn` does not have yet: the values of a field that work, all others being refused as not supported.
 * Whoever builds an option adds its value here, or drops the row when all of them work.
 */
const builtValues = ({ task, model }: CompletedSpec): Record<string, readonly unknown[]> => ({
  ...(task !== 'sequence_labeling' && {
    'training.teacher_forcing.mode':
      task === 'forecasting' && model.recurrence === 'hidden' ? ['always'] : ['always', 'scheduled'],
  }),
});

const valueAt = (spec: CompletedSpec, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], spec);

/** The fields of a spec that ask for what is not built yet. */
export const findNotBuilt = (spec: CompletedSpec): { path: string[]; message: string }[] =>
  Object.entries(builtValues(spec)).flatMap(([field, values]) => {
    const path = field.split('.');
    if (values.includes(valueAt(spec, path))) return [];
    const expected = values.map((value) => JSON.stringify(value)).join(' or ');
    return [{ path, message: `not supported yet: expected ${expected}` }];
  });
