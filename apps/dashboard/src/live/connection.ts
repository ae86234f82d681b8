import { createExternal } from '../external.ts';

/** `refused`: the API answers, but not with what is watched; nothing is tried again until another key is used. */
export type Connection = 'connecting' | 'open' | 'lost' | 'refused';

/** How the one socket of the page is doing. */
export const connection = createExternal<Connection>('connecting');
