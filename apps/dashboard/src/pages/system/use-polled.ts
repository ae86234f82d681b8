import { useCallback, useEffect, useRef, useState } from 'react';

export interface Polled<Value> {
  /** The newest answer, however old; null: there was none yet. */
  value: Value | null;
  /** Why the last question had no answer; null: it had one. */
  error: unknown;
  refresh(): void;
}

/** Asks again and again while the page can be seen. */
export const usePolled = <Value>(
  ask: (signal: AbortSignal) => Promise<Value>,
  everyMs: number,
): Polled<Value> => {
  const [last, setLast] = useState<{ value: Value | null; error: unknown }>({ value: null, error: null });
  const [turn, setTurn] = useState(0);
  const question = useRef(ask);
  question.current = ask;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a turn asks at once and begins the waiting anew.
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const poll = async (): Promise<void> => {
      if (!document.hidden) {
        try {
          const value = await question.current(stop.signal);
          if (!stop.signal.aborted) setLast({ value, error: null });
        } catch (error) {
          if (!stop.signal.aborted) setLast(({ value }) => ({ value, error }));
        }
      }
      if (!stop.signal.aborted) timer = setTimeout(poll, everyMs);
    };
    void poll();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [everyMs, turn]);
  const refresh = useCallback(() => setTurn((before) => before + 1), []);
  return { ...last, refresh };
};
