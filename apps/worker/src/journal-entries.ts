import type { FrameBody, JobProgress } from '@unfold/contracts';
import type { WrittenCheckpoint } from './checkpoint-writer.ts';

/** How long the first event of a batch waits for company. With the append itself it stays below 100 ms. */
const batchWindowMs = 50;
/** Events pass a checkpoint whose file takes longer than this to write: curves stay live on a slow disk. */
const orderPatienceMs = 100;
/** At least one append a second, even an empty one: it shows life, and learns what was requested. */
const heartbeatMs = 800;
const maxBatch = 1000;

export interface FrameEntry {
  kind: 'frame';
  since: number;
  body: FrameBody | null;
  progress: JobProgress | null;
  counted: boolean;
}
export interface CheckpointEntry {
  kind: 'checkpoint';
  since: number;
  written: WrittenCheckpoint | null;
  file: Promise<WrittenCheckpoint>;
  dropped: boolean;
}
export type Entry = FrameEntry | CheckpointEntry;

/** Takes from `entries` what the next append may hold: everything up to a checkpoint that is ready, or past one that is slow. */
export const takeFrames = (entries: Entry[], now: number): FrameEntry[] => {
  const taken: FrameEntry[] = [];
  const left: Entry[] = [];
  let closed = false;
  for (const entry of entries) {
    if (entry.kind === 'checkpoint') closed ||= entry.written !== null || now - entry.since < orderPatienceMs;
    if (entry.kind === 'checkpoint' || closed || taken.length === maxBatch) left.push(entry);
    else taken.push(entry);
  }
  entries.splice(0, entries.length, ...left);
  return taken;
};

/**
 * Milliseconds until a journal has something to do; 0 or less: now.
 * @param hurry `asked`: an append is wanted at once; `ending`: so it is for what is left, and there will be no more; `drain`: for what is there
 */
export const dueIn = (
  entries: readonly Entry[],
  now: number,
  lastAppendAt: number,
  hurry: { asked: boolean; ending: boolean; drain: boolean },
): number => {
  const heartbeat = lastAppendAt + heartbeatMs - now;
  const [first] = entries;
  if (hurry.asked) return 0;
  if (first === undefined) return hurry.ending ? 0 : heartbeat;
  const slow = first.kind === 'checkpoint' && first.written === null;
  const frame = slow ? entries.find((entry) => entry.kind === 'frame') : first;
  if (frame === undefined) return heartbeat;
  if (slow) {
    const passed = Math.max(first.since + orderPatienceMs, frame.since + batchWindowMs) - now;
    return Math.min(passed, heartbeat);
  }
  const ready = entries.some((entry) => entry.kind === 'checkpoint' && entry.written !== null);
  const hurried = hurry.ending || hurry.drain || ready;
  return hurried ? 0 : Math.min(frame.since + batchWindowMs - now, heartbeat);
};
