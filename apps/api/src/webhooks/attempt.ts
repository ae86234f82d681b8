import type { ClaimedDelivery, DeliveryOutcome } from '@unfold/store';
import { type Answer, post } from './post.ts';
import { signatureHeaders } from './signature.ts';
import { readTarget } from './target.ts';

export interface AttemptOptions {
  privateHosts: readonly string[];
  /** The attempt that is the last. */
  attempts: number;
  timeoutMs: number;
  /** Before the second attempt. */
  firstRetryMs: number;
  /** Aborted when the server stops and waits no longer. */
  stopping: AbortSignal;
}

const longestRetryMs = 6 * 3600 * 1000;
const errorLength = 300;

/** Four times as long after each attempt, at most six hours, ± 20 %, so that what failed together is not repeated together. */
export const retryAfterMs = (attempts: number, firstRetryMs: number, random = Math.random()): number =>
  Math.round(Math.min(longestRetryMs, firstRetryMs * 4 ** (attempts - 1)) * (0.8 + 0.4 * random));

/** How long a `Retry-After` (RFC 9110, section 10.2.3: seconds or a date) asks to wait, at most six hours; 0 if it asks for nothing. */
export const askedToWaitMs = (retryAfter: string | null, now = Date.now()): number => {
  if (retryAfter === null) return 0;
  const ms = /^\d+$/.test(retryAfter) ? 1000 * Number(retryAfter) : Date.parse(retryAfter) - now;
  return Number.isNaN(ms) ? 0 : Math.min(longestRetryMs, Math.max(0, ms));
};

const describeFailure = (error: unknown): string => {
  const { name, message, code } = error as Error & { code?: string };
  return (message || code || name).slice(0, errorLength);
};

const describeStatus = (status: number): string =>
  status >= 300 && status < 400
    ? `The answer was ${status}: redirects are not followed.`
    : `The answer was ${status}: expected 200 to 299.`;

/** Again later, unless it was the last attempt: whatever was wrong may be mended meanwhile. */
const failedToSend = (
  claimed: ClaimedDelivery,
  error: string,
  options: AttemptOptions,
  askedMs = 0,
): DeliveryOutcome =>
  claimed.attempts >= options.attempts
    ? { type: 'failed', response_status: null, error }
    : {
        type: 'retry',
        after_ms: Math.max(askedMs, retryAfterMs(claimed.attempts, options.firstRetryMs)),
        response_status: null,
        error,
      };

const outcomeOfAnswer = (
  claimed: ClaimedDelivery,
  { status, retryAfter }: Answer,
  options: AttemptOptions,
): DeliveryOutcome => {
  if (status >= 200 && status < 300) return { type: 'delivered', response_status: status };
  const error = describeStatus(status);
  if (status === 410)
    return { type: 'gone', response_status: status, error: `${error} The endpoint was disabled.` };
  return {
    ...failedToSend(claimed, error, options, askedToWaitMs(retryAfter)),
    response_status: status,
  };
};

const outcomeOfError = (
  claimed: ClaimedDelivery,
  error: unknown,
  options: AttemptOptions,
): DeliveryOutcome =>
  options.stopping.aborted
    ? {
        type: 'retry',
        after_ms: 0,
        response_status: null,
        error: 'The server stopped during this attempt.',
      }
    : failedToSend(claimed, describeFailure(error), options);

/** Runs something until it takes too long, or the server stops. */
const within = async <T>(
  { timeoutMs, stopping }: AttemptOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const over = new AbortController();
  const stop = (): void => over.abort();
  const timer = setTimeout(stop, timeoutMs);
  stopping.addEventListener('abort', stop);
  if (stopping.aborted) stop();
  try {
    return await work(over.signal);
  } catch (error) {
    throw over.signal.aborted
      ? new Error(`There was no answer within ${timeoutMs / 1000} s.`, { cause: error })
      : error;
  } finally {
    clearTimeout(timer);
    stopping.removeEventListener('abort', stop);
  }
};

/** Makes one attempt and says what becomes of the delivery. Never throws. */
export const attemptDelivery = async (
  claimed: ClaimedDelivery,
  options: AttemptOptions,
): Promise<DeliveryOutcome> => {
  if (claimed.secrets.length === 0)
    return failedToSend(
      claimed,
      "The endpoint's secret was encrypted with another UNFOLD_ENCRYPTION_KEY: rotate it.",
      options,
    );
  const { event_id, body, secrets } = claimed;
  const timestamp = Math.floor(Date.now() / 1000);
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'unfold-webhooks',
    ...signatureHeaders(event_id, timestamp, body, secrets),
  };
  try {
    const target = readTarget(claimed.url, options.privateHosts);
    const answer = await within(options, (signal) => post(target, headers, body, signal));
    return outcomeOfAnswer(claimed, answer, options);
  } catch (error) {
    return outcomeOfError(claimed, error, options);
  }
};
