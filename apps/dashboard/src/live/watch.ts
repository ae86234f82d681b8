import type { Watch, WatchMessage } from '@unfold/client';
import type { Frame, JobResource } from '@unfold/contracts';
import { currentAccess, onAccessChange } from '../api.ts';
import { connection } from './connection.ts';

interface Listener {
  /** The last frame that it was told. */
  last: number;
  tell: (frame: Frame) => void;
}

interface Subscribed {
  listeners: Set<Listener>;
  /** Whether the server sends the frames of this job, or has said that it ended. */
  live: boolean;
}

const subscribed = new Map<string, Subscribed>();
const snapshotListeners = new Set<(jobs: readonly JobResource[]) => void>();
const statusListeners = new Set<(frame: Frame & { type: 'status' }) => void>();

let watch: Watch | null = null;
let stop = new AbortController();

const ask = (job: string, entry: Subscribed): void => {
  entry.live = true;
  watch?.subscribe(job, Math.min(...[...entry.listeners].map(({ last }) => last)));
};

const isFinal = (frame: Frame): boolean =>
  frame.type === 'status' && ['succeeded', 'failed', 'cancelled'].includes(frame.status);

const tellFrame = (frame: Frame): void => {
  if (frame.type === 'status') for (const listener of [...statusListeners]) listener(frame);
  const entry = subscribed.get(frame.job_id);
  if (entry === undefined) return;
  // A finished job that was resumed: what it says comes again, from where its listeners are.
  if (!entry.live) {
    ask(frame.job_id, entry);
    return;
  }
  for (const listener of [...entry.listeners])
    if (frame.seq > listener.last) {
      listener.last = frame.seq;
      listener.tell(frame);
    }
  if (isFinal(frame)) entry.live = false;
};

const tellMessage = (message: WatchMessage): void => {
  if (message.type === 'snapshot') for (const listener of [...snapshotListeners]) listener(message.jobs);
  else if (message.type === 'refused') subscribed.delete(message.job);
  else tellFrame(message);
};

const run = async (): Promise<void> => {
  const { signal } = stop;
  const opened = currentAccess().client.watch({
    signal,
    onConnection: (state) => !signal.aborted && connection.set(state),
  });
  watch = opened;
  for (const [job, entry] of subscribed) ask(job, entry);
  try {
    for await (const message of opened) tellMessage(message);
  } catch {
    // A watch that can heal does not end: another key begins another one.
    if (!signal.aborted) connection.set('refused');
  }
};

/** Opens the one socket of the page, and opens it anew with another key. */
export const startWatching = (): void => {
  void run();
  onAccessChange(() => {
    stop.abort();
    stop = new AbortController();
    void run();
  });
};

/**
 * Tells every frame of a job after `after`, once and in order, across lost connections, also of one that ended and is resumed.
 * The server ends a subscription with a job's last frame: begin before it, so that it is heard.
 * @returns what ends it
 */
export const followJob = (job: string, after: number, tell: (frame: Frame) => void): (() => void) => {
  const listener = { last: after, tell };
  const entry = subscribed.get(job) ?? { listeners: new Set(), live: false };
  subscribed.set(job, entry);
  entry.listeners.add(listener);
  ask(job, entry);
  return () => {
    entry.listeners.delete(listener);
    if (entry.listeners.size > 0 || subscribed.get(job) !== entry) return;
    subscribed.delete(job);
    watch?.unsubscribe(job);
  };
};

/** Told of the jobs that the socket opens with, at each connection. */
export const onSnapshot = (listener: (jobs: readonly JobResource[]) => void): void =>
  void snapshotListeners.add(listener);

/** Told of each change of a status, of all jobs. */
export const onStatus = (listener: (frame: Frame & { type: 'status' }) => void): void =>
  void statusListeners.add(listener);
