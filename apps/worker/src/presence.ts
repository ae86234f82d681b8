import type { Store, WorkerReport } from '@unfold/store';
import type { Logger } from 'pino';

/** Others count a worker as gone after four times as long. */
const reportEveryMs = 5000;

/** Tells others that this worker is there. It is only told: who owns a job is decided elsewhere. */
export interface Presence {
  leave(): Promise<void>;
}

export const showPresence = async (
  { workers }: Pick<Store, 'workers'>,
  report: WorkerReport,
  log: Pick<Logger, 'debug'>,
): Promise<Presence> => {
  let present = true;
  let timer: NodeJS.Timeout | null = null;
  let told = Promise.resolve();

  const tell = async (): Promise<void> => {
    // A database that is away is everybody's trouble, and told elsewhere.
    await workers.report(report).catch((error) => log.debug({ err: error }, 'Presence was not told.'));
    if (present) timer = setTimeout(tellAgain, reportEveryMs);
  };
  const tellAgain = (): void => {
    told = tell();
  };

  tellAgain();
  await told;
  return {
    leave: async () => {
      present = false;
      if (timer) clearTimeout(timer);
      await told;
      await workers.leave(report.id).catch((error) => log.debug({ err: error }, 'The goodbye was not told.'));
    },
  };
};
