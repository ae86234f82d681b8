import { Unfold } from '@unfold/client';
import { createExternal, useExternal } from './external.ts';

const storageKey = 'unfold.key';

/** Gone with the tab, since a key opens everything that its scopes allow. */
const storedKey = (): string | null => {
  try {
    return sessionStorage.getItem(storageKey);
  } catch {
    return null;
  }
};

/** Set while the API wants a key: `refused` when it was given one. */
export const keyWanted = createExternal<{ refused: boolean } | null>(null);

interface Access {
  client: Unfold;
  /** The key that it sends, for what goes past the client: a download, a request on leaving the page. */
  apiKey: string | null;
  /** Grows with each key: what was asked with another one is asked anew. */
  generation: number;
}

const open = (apiKey: string | null, generation: number): Access => {
  const watchfulFetch: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    if (answer.status === 401 && access.get().generation === generation)
      keyWanted.set({ refused: apiKey !== null });
    return answer;
  };
  return {
    client: new Unfold({ baseUrl: '', fetch: watchfulFetch, ...(apiKey !== null && { apiKey }) }),
    apiKey,
    generation,
  };
};

const access = createExternal<Access>(open(storedKey(), 0));

/** The API as it is reached now. */
export const currentAccess = access.get;
export const useUnfold = (): Access => useExternal(access);
export const onAccessChange = access.subscribe;

/** Goes on with this key. */
export const enterKey = (apiKey: string): void => {
  try {
    sessionStorage.setItem(storageKey, apiKey);
  } catch {
    // Without storage the key holds until the page is loaded again.
  }
  keyWanted.set(null);
  access.set(open(apiKey, access.get().generation + 1));
};
