/** Aborted at the first Ctrl-C; the second one ends the process as it does everywhere. */
export const interruption = (): AbortSignal => {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort(new Error('interrupted')));
  return controller.signal;
};
