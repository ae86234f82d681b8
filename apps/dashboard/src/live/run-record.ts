import type { Frame, FrameType } from '@unfold/contracts';
import { currentAccess } from '../api.ts';
import { createExternal, type External } from '../external.ts';
import { connection } from './connection.ts';
import { Curves } from './curves.ts';
import { followJob } from './watch.ts';

type Of<Type extends FrameType> = Extract<Frame, { type: Type }>;

/** Types of frames that are kept as they are; of the others the curves are made. */
type Kept = Exclude<FrameType, 'metric'>;

/** Everything that a run has told, as it goes on. `version` grows with what is new, a few times a second at most. */
export interface RunRecord {
  readonly id: string;
  readonly curves: Curves;
  readonly version: External<number>;
  readonly state: External<{ loaded: boolean; error: unknown }>;
  /** In order, without what a restart withdrew. */
  frames<Type extends Kept>(type: Type): Of<Type>[];
  /** Reads again what could not be read. */
  retry(): void;
  /** Reads what is large and seldom looked at: the diagnostics of the past. */
  readDiagnostics(): Promise<void>;
  close(): void;
}

const pageSize = 500;
/** Of each type; a run that tells more is read up to there. */
const mostPages = 20;
const drawMs = 150;

/** Reads a run and follows it until it is closed. */
export const openRun = (id: string): RunRecord => {
  const { client } = currentAccess();
  const stop = new AbortController();
  const { signal } = stop;
  const curves = new Curves();
  const version = createExternal(0);
  const state = createExternal<{ loaded: boolean; error: unknown }>({ loaded: false, error: null });
  const kept = new Map<number, Frame>();
  const sorted = new Map<Kept, { version: number; frames: Frame[] }>();
  let leave = (): void => {};
  let diagnostics: Promise<void> | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;

  const changed = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      version.set(version.get() + 1);
    }, drawMs);
  };

  const hear = (frame: Frame): void => {
    if (frame.type !== 'metric') kept.set(frame.seq, frame);
    curves.hear(frame);
    changed();
  };

  /** What the log has of a type. Frames that come over the socket meanwhile are the same by their number. */
  const readType = async (type: Kept): Promise<void> => {
    let after = 0;
    for (let page = 0; page < mostPages; page += 1) {
      const { data, has_more } = await client.jobs.events(id, { type, after, limit: pageSize, signal });
      for (const frame of data) kept.set(frame.seq, frame);
      changed();
      after = data.at(-1)?.seq ?? after;
      if (!has_more) return;
    }
  };

  const readCurves = async (): Promise<void> => {
    const metrics = await client.jobs.metrics(id, { times: true, signal });
    curves.load(metrics);
    // From before the last frame, so that a run that has ended says so.
    leave = followJob(id, Math.max(0, metrics.seq - 1), hear);
    if (signal.aborted) leave();
    state.set({ loaded: true, error: null });
    changed();
  };

  const unread = new Set<Kept>(['restart', 'sample', 'checkpoint', 'status', 'log']);
  const begin = async (): Promise<void> => {
    try {
      if (!state.get().loaded) await readCurves();
      await Promise.all([...unread].map((type) => readType(type).then(() => unread.delete(type))));
      state.set({ loaded: true, error: null });
    } catch (error) {
      if (!signal.aborted) state.set({ loaded: state.get().loaded, error });
    }
  };
  let isReading = false;
  const goOn = (): void => {
    if (isReading) return;
    isReading = true;
    void begin().finally(() => {
      isReading = false;
    });
  };
  goOn();
  const stopHealing = connection.subscribe(() => {
    if (connection.get() === 'open' && state.get().error !== null) goOn();
  });

  const collect = (type: Kept): Frame[] => {
    const restarts = [...kept.values()].filter((frame) => frame.type === 'restart');
    const isWithdrawn = (frame: Frame): boolean =>
      'step' in frame && restarts.some(({ seq, from_step }) => seq > frame.seq && from_step < frame.step);
    return [...kept.values()]
      .filter((frame) => frame.type === type && !isWithdrawn(frame))
      .sort((a, b) => a.seq - b.seq);
  };

  return {
    id,
    curves,
    version,
    state,
    frames: (type) => {
      const known = sorted.get(type);
      const frames = known?.version === version.get() ? known.frames : collect(type);
      sorted.set(type, { version: version.get(), frames });
      return frames as never;
    },
    retry: goOn,
    readDiagnostics: () => (diagnostics ??= readType('diagnostic')),
    close: () => {
      stop.abort();
      leave();
      stopHealing();
      if (timer !== null) clearTimeout(timer);
    },
  };
};
