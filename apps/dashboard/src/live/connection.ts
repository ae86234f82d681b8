import { createExternal } from '../external.ts';

export type Connection = 'connecting' | 'open' | 'lost';

/** How the one socket of the page is doing. */
export const connection = createExternal<Connection>('connecting');
