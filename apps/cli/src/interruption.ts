import { exitCodes } from './exit-codes.ts';

/** Aborted at the first Ctrl-C; the second one ends the process at once. */
export const interruption = (): AbortSignal => {
  const controller = new AbortController();
  // Stays to the end: without a listener of ours, those that restore the terminal would end the process by the signal.
  process.on('SIGINT', () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort(new Error('interrupted'));
  });
  return controller.signal;
};
