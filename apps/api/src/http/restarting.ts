import { UnfoldError } from '@unfold/contracts';
import type { CallSignal } from './gone-signal.ts';

/** What becomes of whatever a stopping server leaves undone: nothing is wrong, and another one will do it. */
export class RestartingError extends UnfoldError {
  constructor() {
    super('unavailable', 'The server is restarting. Try again shortly.');
  }
}

/** Why a call is over whose signal is aborted: the server stops, or its client went away. */
export const endOf = ({ reason }: CallSignal): UnfoldError =>
  reason instanceof RestartingError ? reason : new UnfoldError('unavailable', 'The call was cancelled.');
