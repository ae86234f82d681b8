import { type JobSpec, UnfoldError } from '@unfold/contracts';
import type { LocatedModel, Store } from '@unfold/store';
import { unknown } from '../http/parameters.ts';
import { checkStart } from '../inference/check-start.ts';
import type { DataSummary } from '../inference/data-checks.ts';

/**
 * The model that a job starts from, or null.
 * @param data what a check found in the job's records; null for an endless text
 * @throws UnfoldError `not_found`, `impossible_with_data` if it does not fit
 */
export const findStartModel = async (
  store: Store,
  project: string,
  spec: JobSpec,
  data: DataSummary | null,
): Promise<LocatedModel | null> => {
  if (spec.start_from === null) return null;
  const { model: reference } = spec.start_from;
  try {
    const model = await store.models.get(project, reference);
    if (model.spec === null)
      throw new UnfoldError(
        'impossible_with_data',
        `start_from.model: ${model.id} does not say what network it is.`,
        { param: 'start_from.model' },
      );
    const located = await store.models.locate(project, model.id);
    await checkStart(spec, data, { spec: model.spec, path: store.artifacts.absolute(located.path) });
    return located;
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (isGone || (error instanceof UnfoldError && error.code === 'not_found'))
      throw unknown('model', reference, 'start_from.model');
    throw error;
  }
};
