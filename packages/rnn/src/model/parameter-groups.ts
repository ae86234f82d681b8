import type { ModelOptions } from '@unfold/contracts';
import type { ParameterEntry } from './parameter-table.ts';

const inGroup = (name: string, group: string): boolean => {
  if (name === group) return true;
  if (group.startsWith('layers.')) return new RegExp(`_l${group.slice('layers.'.length)}(_|$)`).test(name);
  if (group === 'embedding') return name.startsWith('encoder.');
  if (group === 'head') return name.startsWith('decoder.');
  return name.startsWith(`${group}.`);
};

/**
 * Names of the parameters that groups or names stand for: `layers.k` for every `*_lk*`, `embedding`, `head`, `feedback`, `context`, `length`,
 * `initial_state`, or a parameter's own name. A weight that the embedding and the head share belongs to both.
 */
export const selectParameters = (
  table: readonly ParameterEntry[],
  model: ModelOptions,
  groups: readonly string[],
): ReadonlySet<string> => {
  const selected = (name: string): boolean => groups.some((group) => inGroup(name, group));
  const tied = (name: string): boolean => model.tie_weights && name === 'encoder.weight';
  return new Set(
    table.flatMap(({ name }) => (selected(name) || (tied(name) && selected('decoder.weight')) ? [name] : [])),
  );
};
