import { type IdPrefix, isId, type Page, type PageOrder, UnfoldError } from '@unfold/contracts';
import { Prisma } from './database.ts';

/** A page from `limit + 1` rows: the one too many says that there is more. */
export const toPage = <R, T>(rows: readonly R[], limit: number, toResource: (row: R) => T): Page<T> => ({
  object: 'list',
  data: rows.slice(0, limit).map(toResource),
  has_more: rows.length > limit,
});

/** Prisma's condition for what comes after a cursor in the order of a list. */
export const behind = <T>(cursor: T, order: PageOrder = 'desc'): { lt: T } | { gt: T } =>
  order === 'asc' ? { gt: cursor } : { lt: cursor };

/** The same in SQL: the condition, and the direction of `ORDER BY`. */
export const behindSql = (column: Prisma.Sql, cursor: string, order: PageOrder): Prisma.Sql =>
  order === 'asc' ? Prisma.sql`${column} > ${cursor}` : Prisma.sql`${column} < ${cursor}`;
export const directionSql = (order: PageOrder): Prisma.Sql =>
  order === 'asc' ? Prisma.sql`ASC` : Prisma.sql`DESC`;

export const notFound = (what: string, id: string, param: string | null = null): UnfoldError =>
  new UnfoldError(
    'not_found',
    `No ${what} has the id ${what === 'model' ? 'or name ' : ''}${JSON.stringify(id.slice(0, 100))}.`,
    { param },
  );

export const unknownAfter = (expected: string, after: string): UnfoldError =>
  new UnfoldError('invalid_value', `after: expected ${expected}, but received ${JSON.stringify(after)}.`, {
    param: 'after',
  });

/**
 * The place where a page begins must be an id of such things, since anything else would look like the end of the list. Ids are ordered by time,
 * so that one that was deleted since still has its place: whoever deletes what is listed gets to the end.
 */
export const checkAfter = (prefix: IdPrefix, after: string | undefined): void => {
  if (after !== undefined && !isId(prefix, after))
    throw unknownAfter(`an id that begins with "${prefix}-"`, after);
};

export const unixSeconds = (date: Date): number => Math.floor(date.getTime() / 1000);
