import { type JobSpec, UnfoldError } from '@unfold/contracts';
import type { LocatedModel, Store } from '@unfold/store';
import { unknown } from '../http/parameters.ts';
import { checkStart } from '../inference/check-start.ts';

/**
 * The model that a job starts from, or null.
 * @throws UnfoldError `not_found`, `impossible_with_data` if it does not fit
 */
export const findStartModel = async (
  store: Store,
  project: string,
  spec: JobSpec,
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
    checkStart(spec, model.spec);
    return await store.models.locate(project, model.id);
  } catch (error) {
    if (error instanceof UnfoldError && error.code === 'not_found')
      throw unknown('model', reference, 'start_from.model');
    throw error;
  }
};
