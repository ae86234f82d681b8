import type { FastifyBaseLogger } from 'fastify';

interface Options {
  /** What the log calls it. */
  name: string;
  work: (stopped: () => boolean) => Promise<void>;
  everyMs: number;
  log: Pick<FastifyBaseLogger, 'warn'>;
}

export interface PeriodicWork {
  /** Does it now, unless it is being done. */
  wake(): void;
  /** Resolves when it is no longer being done. */
  stop(): Promise<void>;
}

/** Does something at once and then again and again, never twice at the same time. A failure waits for the next time. */
export const startPeriodicWork = ({ name, work, everyMs, log }: Options): PeriodicWork => {
  let running: Promise<void> | null = null;
  let stopped = false;

  const wake = (): void => {
    if (stopped) return;
    running ??= work(() => stopped)
      .catch((error: unknown) => {
        if (!stopped) log.warn({ err: error }, `${name} failed; the next run tries again`);
      })
      .finally(() => (running = null));
  };

  wake();
  const timer = setInterval(wake, everyMs).unref();
  return {
    wake,
    async stop() {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
};
