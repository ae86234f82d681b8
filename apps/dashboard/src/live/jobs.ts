import type { JobResource } from '@unfold/contracts';
import { currentAccess, onAccessChange } from '../api.ts';
import { createExternal } from '../external.ts';
import { mergePage } from './merge-page.ts';
import { onSnapshot, onStatus } from './watch.ts';

/** How many runs are held. Older ones are reached by their address. */
const mostJobs = 1000;
const pageSize = 100;

interface Known {
  byId: ReadonlyMap<string, JobResource>;
  /** Whether a first answer has come. */
  loaded: boolean;
  /** Whether there are runs beyond those that are held. */
  more: boolean;
  error: unknown;
}

const nothing: Known = { byId: new Map(), loaded: false, more: false, error: null };

/** The runs of the project, kept up to date by the page's socket. */
export const knownJobs = createExternal<Known>(nothing);

/** Statuses change in bursts: what came in one frame of the screen is shown at once. */
let waiting: Map<string, JobResource | null> | null = null;
const put = (id: string, job: JobResource | null): void => {
  if (waiting === null) {
    waiting = new Map();
    setTimeout(() => {
      const byId = new Map(knownJobs.get().byId);
      for (const [key, value] of waiting!)
        if (value === null) byId.delete(key);
        else byId.set(key, value);
      waiting = null;
      knownJobs.set({ ...knownJobs.get(), byId, loaded: true, error: null });
    }, 30);
  }
  waiting.set(id, job);
};

/** Shows what the API has answered about a run. */
export const putJob = (job: JobResource): void => put(job.id, job);
export const removeJob = (id: string): void => put(id, null);

const asked = new Map<string, 'asked' | 'again'>();

/** Asks for a run anew; many wishes at once become one or two requests. */
export const refreshJob = async (id: string): Promise<void> => {
  if (asked.has(id)) return void asked.set(id, 'again');
  asked.set(id, 'asked');
  const { client, generation } = currentAccess();
  try {
    const job = await client.jobs.get(id);
    if (currentAccess().generation === generation) putJob(job);
  } catch (error) {
    if ((error as { status?: number }).status === 404) removeJob(id);
  } finally {
    const again = asked.get(id) === 'again';
    asked.delete(id);
    if (again) void refreshJob(id);
  }
};

/** The access whose list is being read. */
let reading: number | null = null;

/** Reads page after page, oldest last, until all or `most` are known, and drops what is gone. */
export const loadJobs = async (most = mostJobs): Promise<void> => {
  const { client, generation } = currentAccess();
  if (reading === generation) return;
  reading = generation;
  try {
    let after: string | undefined;
    for (let count = 0; count < most; count += pageSize) {
      const held = [...knownJobs.get().byId.keys()];
      const page = await client.jobs.list({ limit: pageSize, ...(after !== undefined && { after }) });
      if (currentAccess().generation !== generation) return;
      const byId = mergePage(knownJobs.get().byId, held, page, after);
      const more = most < mostJobs ? knownJobs.get().more : page.has_more;
      knownJobs.set({ byId, loaded: true, more, error: null });
      after = page.data.at(-1)?.id;
      if (!page.has_more || after === undefined) return;
    }
  } catch (error) {
    if (currentAccess().generation === generation) knownJobs.set({ ...knownJobs.get(), error });
  } finally {
    if (reading === generation) reading = null;
  }
};

const reloadMs = 30_000;

const reload = (most = mostJobs): void => {
  if (document.visibilityState === 'visible' && knownJobs.get().loaded) void loadJobs(most);
};

/** No frame tells of a deletion: while the list is looked at its newest runs are asked for so often, all of them when it is come to. @returns what ends it */
export const keepListFresh = (): (() => void) => {
  reload();
  const timer = setInterval(() => reload(pageSize), reloadMs);
  return () => clearInterval(timer);
};

const isUnfinished = ({ status }: JobResource): boolean => ['queued', 'running', 'paused'].includes(status);

/** Begins to keep the list. Called once. */
export const startJobs = (): void => {
  void loadJobs();
  let first = true;
  onSnapshot((jobs) => {
    const shown = new Set(jobs.map(({ id }) => id));
    for (const job of jobs) putJob(job);
    // What ended while the connection was lost may not be among the newest.
    for (const job of knownJobs.get().byId.values())
      if (isUnfinished(job) && !shown.has(job.id)) void refreshJob(job.id);
    if (!first) void loadJobs();
    first = false;
  });
  onStatus(({ job_id }) => void refreshJob(job_id));
  onAccessChange(() => {
    knownJobs.set(nothing);
    void loadJobs();
  });
  addEventListener('focus', () => reload());
  document.addEventListener('visibilitychange', () => reload());
};
