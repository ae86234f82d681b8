import { type Page, UnfoldError } from '@unfold/contracts';

/** A page from `limit + 1` rows: the one too many says that there is more. */
export const toPage = <R, T>(rows: readonly R[], limit: number, toResource: (row: R) => T): Page<T> => ({
  object: 'list',
  data: rows.slice(0, limit).map(toResource),
  has_more: rows.length > limit,
});

export const notFound = (what: string, id: string, param: string | null = null): UnfoldError =>
  new UnfoldError('not_found', `No ${what} has the id ${JSON.stringify(id.slice(0, 100))}.`, { param });

export const unknownAfter = (what: string, after: string): UnfoldError =>
  new UnfoldError(
    'invalid_value',
    `after: expected the id of a ${what}, but received ${JSON.stringify(after)}.`,
    { param: 'after' },
  );

/** The item that a page begins behind must exist: a mistyped id would otherwise look like the end of the list. */
export const checkAfter = async (
  what: string,
  after: string | undefined,
  find: (id: string) => Promise<object | null>,
): Promise<void> => {
  if (after !== undefined && !(await find(after))) throw unknownAfter(what, after);
};

export const unixSeconds = (date: Date): number => Math.floor(date.getTime() / 1000);
