import type { Frame, Page } from '@unfold/contracts';
import { isEnvelope, UnfoldError } from '../errors.ts';
import type { Http } from '../http.ts';
import { part } from '../pages.ts';
import { within } from '../wait.ts';
import { closed, openConnection } from './connection.ts';
import { reconnecting, type StreamOptions, standardQuietMs } from './reconnect.ts';

export interface FollowOptions extends StreamOptions {
  /** Only frames after this `seq`. Default: 0, all. */
  after?: number | undefined;
}

/** Every frame of a job after `after`, once and in order, across lost connections, until the job has ended. */
export async function* follow(
  http: Http,
  job: string,
  { after = 0, quietMs = standardQuietMs, signal, onConnection }: FollowOptions = {},
): AsyncGenerator<Frame, void> {
  let last = after;
  const path = `/v1/jobs/${part(job)}`;

  /** A connection that says nothing may be dead: then the log knows a frame that did not come. */
  const missed = async (): Promise<boolean> => {
    const query = { after: last, limit: 1 };
    const newer = await http
      .call<Page<Frame>>(`${path}/events`, { query, signal: within(quietMs, signal) })
      .catch(() => null);
    return newer === null || newer.data.length > 0;
  };

  yield* reconnecting<Frame>({
    signal,
    onConnection,
    connect: () =>
      openConnection(http.address(`${path}/stream`, { after: last }), {
        apiKey: http.apiKey,
        quietMs,
        signal,
      }),
    inquire: (inTime) => http.call(path, { signal: inTime }),
    read: async (event) => {
      if (event.type === 'quiet') return { broken: await missed() };
      if (event.type !== 'message') return {};
      if (isEnvelope(event.data)) throw new UnfoldError(closed.misunderstood, event.data);
      const frame = event.data as Frame;
      if (frame.seq <= last) return {};
      // A hole, which the log fills when it is asked again.
      if (frame.seq > last + 1) return { broken: true };
      last = frame.seq;
      return { items: [frame] };
    },
  });
}
