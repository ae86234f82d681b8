import { setImmediate } from 'node:timers/promises';

/** Lets timers, messages and other requests have their turn. */
export const nextTurn = (): Promise<void> => setImmediate();
