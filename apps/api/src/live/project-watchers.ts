import type { JobResource, JobStatus, Page } from '@unfold/contracts';
import { endsJob } from '@unfold/contracts';
import type { Store } from '@unfold/store';
import type { FastifyBaseLogger } from 'fastify';
import type { EncodedFrame } from './encoded-frame.ts';
import type { Follower, FollowerHub } from './follower-hub.ts';

type Listener = (frame: EncodedFrame) => void;

export interface ProjectWatchers {
  /**
   * Calls back with the status frames of all jobs of a project from now on, those of jobs to come included. Resolves
   * once every unfinished job is watched, so that a list read afterwards misses nothing.
   */
  watch(project: string, listener: Listener): Promise<() => void>;
  close(): void;
}

interface Watcher {
  project: string;
  listeners: Set<Listener>;
  /** Unfinished jobs, each with the follower of its log. */
  jobs: Map<string, Follower>;
  /** The last frame seen of jobs that are no longer followed, so that a resumed one goes on from there. */
  left: Map<string, number>;
  /** Announced jobs that are being looked up. */
  asked: Set<string>;
  started: Promise<void>;
}

const unfinished = ['running', 'queued', 'paused'] as const satisfies JobStatus[];
const pageSize = 100;
const rememberedJobs = 10_000;

interface Options {
  store: Pick<Store, 'jobs' | 'events'>;
  hub: FollowerHub;
  log: Pick<FastifyBaseLogger, 'warn'>;
  /** How often the newest unfinished jobs are listed, in case an announcement was lost. */
  listMs?: number;
}

/** Follows every unfinished job of the projects that somebody watches. */
export const createProjectWatchers = ({ store, hub, log, listMs = 2000 }: Options): ProjectWatchers => {
  const watchers = new Map<string, Watcher>();

  const tell = (watcher: Watcher, frame: EncodedFrame): boolean => {
    if (frame.frame.type === 'status') for (const listener of watcher.listeners) listener(frame);
    return true;
  };

  const forgetOldest = (watcher: Watcher): void => {
    const oldest = watcher.left.keys().next();
    if (watcher.left.size > rememberedJobs && !oldest.done) watcher.left.delete(oldest.value);
  };

  const follow = (watcher: Watcher, jobId: string, after: number): void => {
    if (watcher.jobs.has(jobId) || watcher.listeners.size === 0) return;
    const follower = hub.follow(jobId, after, {
      write: (frame) => tell(watcher, frame),
      ready: () => Promise.resolve(),
      end: () => {
        watcher.jobs.delete(jobId);
        watcher.left.set(jobId, follower.cursor);
        forgetOldest(watcher);
      },
    });
    watcher.jobs.set(jobId, follower);
    watcher.left.delete(jobId);
  };

  /** A job that was not followed so far: begin where it was resumed last, else at its beginning. */
  const followNew = async (watcher: Watcher, jobId: string): Promise<void> => {
    const known = watcher.left.get(jobId);
    if (known !== undefined) return follow(watcher, jobId, known);
    const statuses = await store.events.read(jobId, { type: 'status' });
    follow(watcher, jobId, statuses.slice(0, -1).filter(endsJob).at(-1)?.seq ?? 0);
  };

  const listAll = async (project: string, status: JobStatus, pages: number): Promise<string[]> => {
    const found: string[] = [];
    let after: string | undefined;
    for (let page = 0; page < pages; page += 1) {
      const list: Page<JobResource> = await store.jobs.list(project, { limit: pageSize, status, after });
      found.push(...list.data.map(({ id }) => id));
      after = list.data.at(-1)?.id;
      if (!list.has_more) break;
    }
    return found;
  };

  const start = async (watcher: Watcher): Promise<void> => {
    const lists = await Promise.all(
      unfinished.map((status) => listAll(watcher.project, status, Number.POSITIVE_INFINITY)),
    );
    const ids = lists.flat();
    const heads = await store.events.heads(ids);
    for (const id of ids) follow(watcher, id, heads.get(id)?.head ?? 0);
  };

  const discover = async (): Promise<void> => {
    for (const watcher of watchers.values()) {
      // Until then every unfinished job would look new, and be followed from its beginning.
      await watcher.started.catch(() => undefined);
      for (const status of unfinished)
        for (const id of await listAll(watcher.project, status, 1))
          if (!watcher.jobs.has(id)) await followNew(watcher, id);
    }
  };

  const ask = async (watcher: Watcher, jobId: string): Promise<void> => {
    if (watcher.jobs.has(jobId) || watcher.asked.has(jobId)) return;
    watcher.asked.add(jobId);
    try {
      // What exists when a watcher starts is followed from then on, not from its beginning.
      await watcher.started;
      if (watcher.jobs.has(jobId)) return;
      await store.jobs.get(watcher.project, jobId);
      await followNew(watcher, jobId);
    } catch {
      // Another project's job, or a database that is away: the next listing finds what is ours.
    } finally {
      watcher.asked.delete(jobId);
    }
  };

  const stopListening = hub.onAnnounce((jobId) => {
    for (const watcher of watchers.values()) void ask(watcher, jobId);
  });
  let listing = false;
  const timer = setInterval(() => {
    if (listing || watchers.size === 0) return;
    listing = true;
    void discover()
      .catch((error) => log.warn({ err: error }, 'listing unfinished jobs failed'))
      .finally(() => (listing = false));
  }, listMs).unref();

  const stop = (watcher: Watcher): void => {
    watchers.delete(watcher.project);
    for (const follower of watcher.jobs.values()) follower.close();
    watcher.jobs.clear();
  };

  const open = (project: string): Watcher => {
    const watcher: Watcher = {
      project,
      listeners: new Set(),
      jobs: new Map(),
      left: new Map(),
      asked: new Set(),
      started: Promise.resolve(),
    };
    watchers.set(project, watcher);
    return watcher;
  };

  return {
    async watch(project, listener) {
      const existing = watchers.get(project);
      const watcher = existing ?? open(project);
      watcher.listeners.add(listener);
      if (!existing) watcher.started = start(watcher);
      const leave = (): void => {
        watcher.listeners.delete(listener);
        if (watcher.listeners.size === 0 && watchers.get(project) === watcher) stop(watcher);
      };
      try {
        await watcher.started;
      } catch (error) {
        // The next socket must not wait for this failed start.
        if (watchers.get(project) === watcher) stop(watcher);
        leave();
        throw error;
      }
      return leave;
    },
    close() {
      clearInterval(timer);
      stopListening();
      for (const watcher of [...watchers.values()]) stop(watcher);
    },
  };
};
