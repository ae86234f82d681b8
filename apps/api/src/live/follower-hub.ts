import { isFinal, type JobStatus } from '@unfold/contracts';
import type { Queue } from '@unfold/queue';
import type { Store } from '@unfold/store';
import type { FastifyBaseLogger } from 'fastify';
import type { ApiMetrics } from '../metrics.ts';
import { type EncodedFrame, encodeFrame } from './encoded-frame.ts';

/** Where a follower's frames go. */
export interface Sink {
  /** Takes frames in order, one by one. False: full; nothing more comes before `ready` has resolved. */
  write(frame: EncodedFrame): boolean;
  /** Resolves when there is room again; never, if the reader has gone. */
  ready(): Promise<void>;
  /** Nothing more will come: the job has ended, or was removed. */
  end(): void;
}

export interface Follower {
  /** Sequence number of the last frame that was handed over. */
  readonly cursor: number;
  close(): void;
}

export interface FollowerHub {
  /**
   * Hands over everything of a job after `after`, first from the log, then live: each frame once, in order, whatever
   * is appended meanwhile. Ends after the job's last frame.
   */
  follow(jobId: string, after: number, sink: Sink): Follower;
  /** Calls back for every announcement, of followed jobs and others. */
  onAnnounce(listener: (jobId: string, seq: number) => void): () => void;
  close(): void;
}

interface Member {
  feed: Feed;
  cursor: number;
  /** Live members get what the feed reads; the others read the log themselves. */
  live: boolean;
  closed: boolean;
  /** Frames to read at once while catching up: few for a reader that takes few. */
  pageSize: number;
  sink: Sink;
}

interface Feed {
  jobId: string;
  /** Highest sequence number heard of. */
  head: number;
  status: JobStatus | null;
  /** Up to here the log was read for the live members. */
  position: number;
  members: Set<Member>;
  reading: boolean;
}

const largestPage = 500;
const smallestPage = 8;

export interface HubOptions {
  store: Pick<Store, 'events'>;
  queue: Pick<Queue, 'onAnnounce'>;
  metrics: Pick<ApiMetrics, 'followers' | 'eventLagSeconds'>;
  log: Pick<FastifyBaseLogger, 'warn'>;
  /** How often the heads of all followed jobs are read, in one query, in case an announcement was lost. */
  headsMs?: number;
}

/** One reader of the event log per job, however many follow it. */
export const createFollowerHub = (options: HubOptions): FollowerHub => {
  const { store, queue, metrics, log } = options;
  const feeds = new Map<string, Feed>();
  const listeners = new Set<(jobId: string, seq: number) => void>();
  let polling = false;

  const hasLive = (feed: Feed): boolean => [...feed.members].some((member) => member.live);

  const leave = (member: Member): void => {
    if (member.closed) return;
    member.closed = true;
    metrics.followers.dec({ state: member.live ? 'live' : 'catching_up' });
    member.feed.members.delete(member);
    if (member.feed.members.size === 0) feeds.delete(member.feed.jobId);
  };

  const setLive = (member: Member, live: boolean): void => {
    if (member.live === live) return;
    metrics.followers.dec({ state: member.live ? 'live' : 'catching_up' });
    metrics.followers.inc({ state: live ? 'live' : 'catching_up' });
    member.live = live;
  };

  /** Hands frames over until the reader is full; false if it is. The rest is read again when there is room. */
  const hand = (member: Member, frames: readonly EncodedFrame[]): boolean => {
    let taken = 0;
    for (const frame of frames) {
      if (frame.seq <= member.cursor) continue;
      member.cursor = frame.seq;
      taken += 1;
      if (!member.sink.write(frame)) {
        member.pageSize = Math.min(largestPage, Math.max(smallestPage, 2 * taken));
        return false;
      }
    }
    member.pageSize = Math.min(largestPage, 2 * member.pageSize);
    return true;
  };

  /** Reads what is new once, for all live members. */
  const pump = async (feed: Feed): Promise<void> => {
    if (feed.reading) return;
    feed.reading = true;
    try {
      while (feed.head > feed.position && hasLive(feed)) {
        const frames = (
          await store.events.read(feed.jobId, { after: feed.position, limit: largestPage })
        ).map(encodeFrame);
        const last = frames.at(-1);
        if (last === undefined) break;
        feed.position = last.seq;
        feed.head = Math.max(feed.head, last.seq);
        metrics.eventLagSeconds.observe(Math.max(0, Date.now() - Date.parse(last.frame.at)) / 1000);
        for (const member of [...feed.members])
          if (member.live && !hand(member, frames)) {
            setLive(member, false);
            void catchUp(member);
          }
        if (last.ends) await check([feed]);
      }
    } catch (error) {
      // The next reading of the heads tries again.
      log.warn({ err: error, job_id: feed.jobId }, 'reading new events failed');
    } finally {
      feed.reading = false;
    }
  };

  /** Reads the log for one member until it has everything, then makes it live. */
  const catchUp = async (member: Member): Promise<void> => {
    const { feed } = member;
    while (!member.closed) {
      await member.sink.ready();
      if (member.closed) return;
      const limit = member.pageSize;
      try {
        const frames = (await store.events.read(feed.jobId, { after: member.cursor, limit })).map(
          encodeFrame,
        );
        if (member.closed) return;
        const writable = hand(member, frames);
        feed.head = Math.max(feed.head, frames.at(-1)?.seq ?? 0);
        // An announcement may have come while this page was read: then there is more.
        const complete = frames.length === 0 || (frames.length < limit && member.cursor >= feed.head);
        if (complete && writable) return goLive(member);
      } catch (error) {
        log.warn({ err: error, job_id: feed.jobId }, 'reading the event log failed');
        await new Promise((resolve) => setTimeout(resolve, options.headsMs ?? 1000));
      }
    }
  };

  const goLive = (member: Member): void => {
    const { feed } = member;
    // Live members share one position, that of the one who has least.
    feed.position = hasLive(feed) ? Math.min(feed.position, member.cursor) : member.cursor;
    setLive(member, true);
    void check([feed]);
  };

  /** Learns heads and statuses of feeds in one query, wakes those with news, ends those that are complete. */
  const check = async (checked: readonly Feed[]): Promise<void> => {
    try {
      const heads = await store.events.heads(checked.map(({ jobId }) => jobId));
      for (const feed of checked) {
        const now = heads.get(feed.jobId);
        if (now === undefined) {
          endMembers(feed, () => true);
          continue;
        }
        feed.head = Math.max(feed.head, now.head);
        feed.status = now.status;
        if (isFinal(now.status)) endMembers(feed, (member) => member.cursor >= now.head);
        if (feed.head > feed.position) void pump(feed);
      }
    } catch (error) {
      log.warn({ err: error }, 'reading the heads of followed jobs failed');
    }
  };

  const endMembers = (feed: Feed, which: (member: Member) => boolean): void => {
    for (const member of [...feed.members])
      if (member.live && which(member)) {
        leave(member);
        member.sink.end();
      }
  };

  const poll = async (): Promise<void> => {
    if (polling || feeds.size === 0) return;
    polling = true;
    await check([...feeds.values()]).finally(() => (polling = false));
  };

  const hear = ({ job_id, seq }: { job_id: string; seq: number }): void => {
    const feed = feeds.get(job_id);
    if (feed !== undefined && seq > feed.head) {
      feed.head = seq;
      void pump(feed);
    }
    for (const listener of listeners) listener(job_id, seq);
  };

  const timer = setInterval(() => void poll(), options.headsMs ?? 1000).unref();
  const stopListening = queue.onAnnounce(hear);

  const feedOf = (jobId: string): Feed => {
    const existing = feeds.get(jobId);
    if (existing) return existing;
    const feed: Feed = { jobId, head: 0, status: null, position: 0, members: new Set(), reading: false };
    feeds.set(jobId, feed);
    return feed;
  };

  return {
    follow(jobId, after, sink) {
      const feed = feedOf(jobId);
      const member: Member = { feed, cursor: after, live: false, closed: false, pageSize: largestPage, sink };
      feed.members.add(member);
      metrics.followers.inc({ state: 'catching_up' });
      void catchUp(member);
      return {
        get cursor() {
          return member.cursor;
        },
        close: () => leave(member),
      };
    },
    onAnnounce(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      clearInterval(timer);
      stopListening();
      for (const feed of [...feeds.values()]) for (const member of [...feed.members]) leave(member);
    },
  };
};
