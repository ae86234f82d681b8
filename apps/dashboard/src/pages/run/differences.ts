import type { JobSpec } from '@unfold/contracts';

const flatten = (value: unknown, path: string, into: Map<string, string>): void => {
  if (value !== null && typeof value === 'object' && !Array.isArray(value))
    for (const [key, entry] of Object.entries(value))
      flatten(entry, path === '' ? key : `${path}.${key}`, into);
  else into.set(path, typeof value === 'string' ? value : JSON.stringify(value));
};

/** Names that differ by nature, not by choice. */
const ignored = new Set(['name', 'file', 'validation_file']);

/** The fields in which specs differ, with the value of each; a dash where a spec lacks the field. */
export const differencesOf = (specs: readonly JobSpec[]): { path: string; values: string[] }[] => {
  const flat = specs.map((spec) => {
    const fields = new Map<string, string>();
    flatten(spec, '', fields);
    return fields;
  });
  const paths = [...new Set(flat.flatMap((fields) => [...fields.keys()]))];
  return paths
    .filter((path) => !ignored.has(path) && !path.startsWith('metadata'))
    .map((path) => ({ path, values: flat.map((fields) => fields.get(path) ?? '–') }))
    .filter(({ values }) => new Set(values).size > 1);
};
