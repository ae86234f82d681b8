import { readFile } from 'node:fs/promises';
import { UnfoldError } from '@unfold/contracts';
import { type Store, startWeightsPath } from '@unfold/store';

/**
 * The job's own copy of the weights that it starts from.
 * @throws {UnfoldError} `data_missing`
 */
export const readStartWeights = async (store: Store, jobId: string): Promise<Uint8Array> => {
  try {
    return await readFile(store.artifacts.absolute(startWeightsPath(jobId)));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new UnfoldError('data_missing', 'The weights to start from are no longer in the artifact store.', {
      param: 'start_from.model',
      cause,
    });
  }
};
