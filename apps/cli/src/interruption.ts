import { exitCodes } from './exit-codes.ts';

/** Takes back the `^C` that a terminal echoes, into whatever is drawn there. */
const clearEcho = (): void => {
  const terminal = [process.stderr, process.stdout].find(({ isTTY }) => isTTY);
  terminal?.cursorTo(0);
  terminal?.clearLine(0);
};

/** Aborted at the first Ctrl-C; the second one ends the process at once. */
export const interruption = (): AbortSignal => {
  const controller = new AbortController();
  // Stays to the end: without a listener of ours, those that restore the terminal would end the process by the signal.
  process.on('SIGINT', () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    clearEcho();
    controller.abort(new Error('interrupted'));
  });
  return controller.signal;
};
