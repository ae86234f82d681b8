import type { Tokenizer } from '../text/tokenizer.ts';
import { createStopFilter } from './stop-filter.ts';

/** Text that JSON and PostgreSQL both carry: U+0000 and lone surrogates become U+FFFD. */
export const cleanText = (text: string): string => text.replace(/\0|\p{Surrogate}/gu, '\uFFFD');

/** Ids in, clean text out, up to a stop string. */
export interface TextStream {
  /** @param last whether no id follows: then everything held back comes out too */
  push(id: number, last: boolean): { text: string; stopped: boolean };
}

export const createTextStream = (tokenizer: Tokenizer, stops: readonly string[]): TextStream => {
  const decoder = tokenizer.decoder();
  const filter = createStopFilter(stops);
  return {
    push(id, last) {
      const decoded = decoder.push(id) + (last ? decoder.finish() : '');
      const { text, stopped } = filter.push(cleanText(decoded));
      return { text: last && !stopped ? text + filter.finish() : text, stopped };
    },
  };
};
