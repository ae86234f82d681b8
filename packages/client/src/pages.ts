import type { Page } from '@unfold/contracts';
import type { CallOptions, Http, Query } from './http.ts';

/** Which part of a list. */
export interface PageOptions extends CallOptions {
  /** Items of a page. */
  limit?: number | undefined;
  /** The id of the last item of the page before. */
  after?: string | undefined;
  order?: 'asc' | 'desc' | undefined;
}

/** Calls take their options last, but a query's fields and the signal stand side by side in it. */
const split = <Q extends CallOptions>({ signal, ...query }: Q) => ({ signal, query: query as Query });

export interface List<T, Q extends PageOptions = PageOptions> {
  /** One page. */
  list(query?: Q): Promise<Page<T>>;
  /** Every item, page after page, each fetched when it is come to. */
  all(query?: Q): AsyncIterable<T>;
}

/** The list at a path. */
export const listAt = <T extends { id: string }, Q extends PageOptions = PageOptions>(
  http: Http,
  path: string,
): List<T, Q> => {
  const list = (query?: Q): Promise<Page<T>> => http.call(path, split(query ?? ({} as Q)));
  return {
    list,
    async *all(query) {
      let after = query?.after;
      for (;;) {
        const page = await list({ limit: 100, ...query, after } as Q);
        yield* page.data;
        const last = page.data.at(-1);
        if (!page.has_more || last === undefined) return;
        after = last.id;
      }
    },
  };
};

/** A part of a path that came from a caller. */
export const part = (text: string): string => encodeURIComponent(text);
