import { UnfoldError } from '@unfold/contracts';
import type { Store } from '@unfold/store';
import type { ModelSource } from './protocol.ts';

/** The file that a model reference stands for; unknown ones name the field that held the reference. */
export const findModel = async (
  store: Pick<Store, 'models' | 'artifacts'>,
  project: string,
  reference: string,
  param: string,
): Promise<{ id: string; path: string; source: ModelSource }> => {
  try {
    const { id, kind, path, bytes, sha256 } = await store.models.locate(project, reference);
    return { id, path, source: { kind, path: store.artifacts.absolute(path), bytes, sha256 } };
  } catch (error) {
    if (error instanceof UnfoldError && error.code === 'not_found')
      throw new UnfoldError('not_found', `No model has the id or name "${reference.slice(0, 80)}".`, {
        param,
      });
    throw error;
  }
};
