import { type Draft, withValue } from './draft.ts';

const taskOfKeys = (keys: readonly string[]): string | null => {
  if (keys.includes('label')) return 'classification';
  if (keys.includes('output')) return 'sequence_labeling';
  if (keys.includes('context')) return 'conditional_generation';
  return keys.includes('values') ? 'forecasting' : null;
};

/** A task that reads such a file, by its name and its first line; what was chosen before stays if nothing is recognized. */
export const guessTask = (draft: Draft, filename: string, start: string): Draft => {
  if (/\.(csv|tsv)$/i.test(filename)) return withValue(draft, 'task', 'forecasting');
  if (!start.trimStart().startsWith('{')) return draft;
  try {
    const keys = Object.keys(JSON.parse(start.trimStart().split('\n')[0]!) as object);
    if (keys.join() === 'text') return withValue(draft, 'text.sequences', 'json_lines');
    const task = taskOfKeys(keys);
    return task === null ? draft : withValue(draft, 'task', task);
  } catch {
    return draft;
  }
};
