import type { FastifyBaseLogger } from 'fastify';

interface Options {
  /** What the log calls it. */
  name: string;
  work: (stopped: () => boolean) => Promise<void>;
  everyMs: number;
  log: Pick<FastifyBaseLogger, 'warn'>;
}

/** Does something at once and then again and again, never twice at the same time. A failure waits for the next time. */
export const startPeriodicWork = ({ name, work, everyMs, log }: Options): { stop(): Promise<void> } => {
  let running: Promise<void> | null = null;
  let stopped = false;

  const run = (): void => {
    running ??= work(() => stopped)
      .catch((error: unknown) => {
        if (!stopped) log.warn({ err: error }, `${name} failed; the next run tries again`);
      })
      .finally(() => (running = null));
  };

  run();
  const timer = setInterval(run, everyMs).unref();
  return {
    async stop() {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
};
