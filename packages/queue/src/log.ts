export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where the queue reports what its callers cannot see: outages, lost locks, failed handlers. */
export type Log = (level: LogLevel, message: string, error?: unknown) => void;

const kindOf = (error: unknown): string => {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return String(code ?? message ?? error);
};

/**
 * Lets a message with the same error through once per `windowMs` and counts the rest: during an outage every
 * connection reports the same failure many times a second.
 */
export const limitRate = (log: Log, windowMs = 10_000, remembered = 100): Log => {
  const seen = new Map<string, { since: number; repeats: number }>();
  return (level, message, error) => {
    const key = `${level} ${message} ${kindOf(error)}`;
    const now = performance.now();
    const last = seen.get(key);
    if (last && now - last.since < windowMs) {
      last.repeats += 1;
      return;
    }
    seen.delete(key);
    if (seen.size >= remembered) seen.delete(seen.keys().next().value as string);
    seen.set(key, { since: now, repeats: 0 });
    log(level, last?.repeats ? `${message} (${last.repeats} more since)` : message, error);
  };
};
