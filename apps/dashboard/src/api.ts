import { Unfold } from '@unfold/client';
import { createExternal, useExternal } from './external.ts';

const storageKey = 'unfold.key';

interface StoredKey {
  apiKey: string | null;
  /** Whether it outlives the tab. */
  remembered: boolean;
}

/** Gone with the tab unless the machine was told to remember it, since a key opens everything that its scopes allow. */
const storedKey = (): StoredKey => {
  try {
    const ofTab = sessionStorage.getItem(storageKey);
    if (ofTab !== null) return { apiKey: ofTab, remembered: false };
    const ofMachine = localStorage.getItem(storageKey);
    return { apiKey: ofMachine, remembered: ofMachine !== null };
  } catch {
    return { apiKey: null, remembered: false };
  }
};

const storeKey = ({ apiKey, remembered }: StoredKey): void => {
  try {
    sessionStorage.removeItem(storageKey);
    localStorage.removeItem(storageKey);
    if (apiKey !== null) (remembered ? localStorage : sessionStorage).setItem(storageKey, apiKey);
  } catch {
    // Without storage the key holds until the page is loaded again.
  }
};

/** Why a key is asked for: the API wants one, it refused the one that it was given, or the reader wishes another. */
export type KeyWish = 'missing' | 'refused' | 'another';

/** Set while the page asks for a key. */
export const keyWanted = createExternal<KeyWish | null>(null);

interface Access extends StoredKey {
  client: Unfold;
  /** The key that it sends, for what goes past the client: a download, a request on leaving the page. */
  apiKey: string | null;
  /** Grows with each key that takes another's place: what was asked with that one is asked anew. */
  generation: number;
}

const open = (key: StoredKey, generation: number): Access => {
  const { apiKey } = key;
  const watchfulFetch: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    // What an earlier key is answered says nothing of the one that is used now.
    if (answer.status === 401 && access.get().apiKey === apiKey)
      keyWanted.set(apiKey === null ? 'missing' : 'refused');
    return answer;
  };
  return {
    ...key,
    client: new Unfold({ baseUrl: '', fetch: watchfulFetch, ...(apiKey !== null && { apiKey }) }),
    generation,
  };
};

const access = createExternal<Access>(open(storedKey(), 0));

/** The API as it is reached now. */
export const currentAccess = access.get;
export const useUnfold = (): Access => useExternal(access);
export const onAccessChange = access.subscribe;

const goOnWith = (key: StoredKey, generation: number): void => {
  storeKey(key);
  access.set(open(key, generation));
  keyWanted.set(null);
};

/** Goes on with this key, and begins everything anew with it. */
export const enterKey = (apiKey: string, remembered: boolean): void =>
  goOnWith({ apiKey, remembered }, access.get().generation + 1);

/** Goes on with a key that this page has just made, without one so far: nothing that it shows is another's. */
export const adoptKey = (apiKey: string): void =>
  goOnWith({ apiKey, remembered: false }, access.get().generation);

/** Goes on without a key. */
export const forgetKey = (): void =>
  goOnWith({ apiKey: null, remembered: false }, access.get().generation + 1);

/** Sends a deletion that outlives the page, as the client's requests do not. Nobody hears what came of it. */
export const deleteOnLeaving = (path: string): void => {
  const { apiKey } = access.get();
  fetch(path, {
    method: 'DELETE',
    keepalive: true,
    headers: apiKey === null ? {} : { authorization: `Bearer ${apiKey}` },
  }).catch(() => {});
};
