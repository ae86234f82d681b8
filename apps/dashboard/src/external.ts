import { useSyncExternalStore } from 'react';

/** A value outside of React that components can read and be told of. */
export interface External<Value> {
  get(): Value;
  set(value: Value): void;
  subscribe(listener: () => void): () => void;
}

export const createExternal = <Value>(initial: Value): External<Value> => {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
};

/** The value as it is now; the component is rendered again when it changes. */
export const useExternal = <Value>({ subscribe, get }: External<Value>): Value =>
  useSyncExternalStore(subscribe, get);
