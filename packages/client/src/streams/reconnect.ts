import { UnfoldError } from '../errors.ts';
import type { CallOptions } from '../http.ts';
import { backoffMs, wait, within } from '../wait.ts';
import { type Connection, type ConnectionEvent, closed } from './connection.ts';

export type ConnectionState = 'connecting' | 'open' | 'lost';

export interface StreamOptions extends CallOptions {
  /** Told at each change, so that a page can show that it is cut off. */
  onConnection?: ((state: ConnectionState) => void) | undefined;
  /** After so many milliseconds without a message the service is asked whether it is still there. Default: 45,000. */
  quietMs?: number | undefined;
}

/** Longer than the 30 s between the server's pings, which no page sees. */
export const standardQuietMs = 45_000;

interface Attempts<T> extends Omit<StreamOptions, 'quietMs'> {
  connect(): Connection;
  /** What becomes of an event: items for the reader, and whether the connection is of no use any more. */
  read(event: ConnectionEvent, connection: Connection): Promise<{ items?: T[]; broken?: boolean }>;
  /** Asks over HTTP why a connection was refused, which a socket in a browser does not tell. @throws UnfoldError */
  inquire(signal: AbortSignal): Promise<unknown>;
}

const firstBackoffMs = 500;
const mostBackoffMs = 15_000;
/** A service that does not answer within this cannot be reached. */
const inquiryMs = 10_000;
/** Refusals that no other try mends. */
const final = [400, 401, 403, 404];

const explain = async (inquire: Attempts<unknown>['inquire'], signal?: AbortSignal): Promise<void> => {
  try {
    await inquire(within(inquiryMs, signal));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof UnfoldError && final.includes(error.status)) throw error;
  }
};

/** The items of connection after connection, until one is closed as finished. */
export async function* reconnecting<T>(attempts: Attempts<T>): AsyncGenerator<T, void> {
  const { connect, read, inquire, signal, onConnection } = attempts;
  for (let failures = 0; ; failures += 1) {
    signal?.throwIfAborted();
    onConnection?.('connecting');
    const connection = connect();
    let opened = false;
    let code: number | null = null;
    for await (const event of connection.events) {
      if (event.type === 'open') {
        opened = true;
        onConnection?.('open');
      } else if (event.type === 'message') failures = 0;
      else if (event.type === 'closed') code = event.code;
      const { items = [], broken = false } = await read(event, connection);
      yield* items;
      if (broken) break;
    }
    if (code === closed.finished) return;
    // The reader was slow, the connection was not: there is nothing to wait for.
    if (code === closed.behind) continue;
    onConnection?.('lost');
    if (!opened) await explain(inquire, signal);
    await wait(backoffMs(failures, firstBackoffMs, mostBackoffMs), signal);
  }
}
