import type { JobResource } from '@unfold/contracts';

interface Page {
  data: readonly JobResource[];
  has_more: boolean;
}

const isSame = (a: JobResource | undefined, b: JobResource): boolean =>
  a !== undefined && JSON.stringify(a) === JSON.stringify(b);

/**
 * The known runs after a page of the list was read, which goes from the newest to the oldest: with those of the page, and without those that were
 * there when it was asked for (`held`), belong between its borders and are not in it. A run that says nothing new stays the same object.
 *
 * @param after the last run of the page before, or undefined for the first page
 */
export const mergePage = (
  known: ReadonlyMap<string, JobResource>,
  held: readonly string[],
  { data, has_more }: Page,
  after: string | undefined,
): ReadonlyMap<string, JobResource> => {
  const merged = new Map(known);
  const last = has_more ? data.at(-1)?.id : undefined;
  const present = new Set(data.map(({ id }) => id));
  for (const id of held)
    if (!present.has(id) && (after === undefined || id < after) && (last === undefined || id > last))
      merged.delete(id);
  for (const job of data) if (!isSame(merged.get(job.id), job)) merged.set(job.id, job);
  return merged;
};
