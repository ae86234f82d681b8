import { readdir } from 'node:fs/promises';
import type { Claimed, Store } from '@unfold/store';

/**
 * Removes files of earlier attempts that no checkpoint refers to: a worker that is killed between writing a file and
 * recording it leaves one behind. An earlier attempt that still runs is fenced off, so nothing of its can be recorded.
 * @returns how many
 */
export const removeStrayFiles = async (store: Store, { claim, project }: Claimed): Promise<number> => {
  if (claim.attempt === 1) return 0;
  const { data } = await store.checkpoints.list(project, claim.job_id, { limit: 100 });
  const located = await Promise.all(data.map(({ id }) => store.models.locate(project, id)));
  const known = new Set(located.map(({ path }) => path));
  const root = `jobs/${claim.job_id}`;
  const found = await readdir(store.artifacts.absolute(root), { recursive: true }).catch(() => []);
  const strays = found
    .map((name) => `${root}/${name.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.safetensors') && !known.has(path))
    .filter((path) => Number(path.split('/')[2]) < claim.attempt);
  await Promise.all(strays.map((path) => store.artifacts.remove(path)));
  return strays.length;
};
