/** Resolves after `ms`, or when the browser comes back online; rejects with the signal's reason when it is aborted. */
export const wait = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const done = (finish: () => void) => (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      // Node has no such events.
      if ('removeEventListener' in globalThis) globalThis.removeEventListener('online', over);
      finish();
    };
    const over = done(resolve);
    const aborted = done(() => reject(signal?.reason));
    const timer = setTimeout(over, ms);
    if (signal?.aborted) return aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    if ('addEventListener' in globalThis) globalThis.addEventListener('online', over, { once: true });
  });

/** Doubles from `first` to `most` milliseconds, each drawn from half to one and a half of it, so that clients spread. */
export const backoffMs = (attempt: number, first: number, most: number): number =>
  Math.min(most, first * 2 ** attempt) * (0.5 + Math.random());

/** Aborted with the signal, or after `ms`: for questions whose answer is worth nothing if it is late. */
export const within = (ms: number, signal?: AbortSignal): AbortSignal =>
  AbortSignal.any([AbortSignal.timeout(ms), ...(signal ? [signal] : [])]);
