import type { Log } from '@unfold/queue';
import { type Logger, pino } from 'pino';

export const createLogger = (level: string): Logger =>
  pino({ level, base: { process: 'worker', pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime });

/** The queue's reports as log lines. */
export const queueLog =
  (log: Logger): Log =>
  (level, message, error) =>
    log[level](error === undefined ? {} : { err: error }, message);
