import { type DependencyList, useCallback, useEffect, useState } from 'react';

export type Loaded<Value> =
  | { state: 'loading'; value: null; error: null }
  | { state: 'failed'; value: null; error: unknown }
  | { state: 'there'; value: Value; error: null };

const loading = { state: 'loading', value: null, error: null } as const;

/** What `load` answers, asked for again when `parts` change; the signal is aborted when nobody waits for it any more. */
export const useLoaded = <Value>(
  load: (signal: AbortSignal) => Promise<Value>,
  parts: DependencyList,
): Loaded<Value> & { reload: () => void } => {
  const [loaded, setLoaded] = useState<Loaded<Value>>(loading);
  const [turn, setTurn] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the caller says what `load` depends on.
  useEffect(() => {
    const stop = new AbortController();
    setLoaded(loading);
    load(stop.signal).then(
      (value) => !stop.signal.aborted && setLoaded({ state: 'there', value, error: null }),
      (error) => !stop.signal.aborted && setLoaded({ state: 'failed', value: null, error }),
    );
    return () => stop.abort();
  }, [...parts, turn]);
  const reload = useCallback(() => setTurn((last) => last + 1), []);
  return { ...loaded, reload };
};
