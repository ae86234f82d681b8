import { UnfoldError } from '@unfold/contracts';
import type { ModelSource } from './protocol.ts';

/** What one thread holds, as the main thread knows it. */
export interface ThreadModels {
  /** Whether the thread has the file, or is about to load it; by its hash. */
  has(sha256: string): boolean;
  /**
   * Takes the model for a call, which keeps it in memory until `leave`. If the thread does not have it, idle ones go for it.
   * @returns `room`: what to wait for before the thread may be told to load it; null: nothing
   * @throws UnfoldError `limit_exceeded`, `overloaded`
   */
  use(source: ModelSource): { room: Promise<void> | null; leave(): void };
  /** The thread says what a file takes now; 0: it does not hold it any more. */
  report(sha256: string, bytes: number): void;
  /** The thread died, and what it held with it. */
  end(): void;
}

export interface ModelMemory {
  /** @param unload to be told to the thread; it reports 0 bytes once the memory is free */
  thread(unload: (sha256: string) => void): ThreadModels;
  /** Whether a further copy of a file of so many bytes has room, were all that is idle let go. */
  fits(bytes: number): boolean;
}

/** A model in one thread. */
interface Copy {
  sha256: string;
  bytes: number;
  users: number;
  usedAt: number;
  room: Promise<void> | null;
  unload(): void;
}

/**
 * The memory for models, which the inference threads of a process share. Until a thread has said what a model takes, it counts as its file does.
 * What is asked of a model takes memory too: idle ones go for that as well, but those in use may together grow beyond the limit.
 * @param changed told what is held in all
 */
export const createModelMemory = (
  limitBytes: number,
  changed: (held: { models: number; bytes: number }) => void = () => {},
): ModelMemory => {
  const copies = new Set<Copy>();
  /** Those that were told to go, each with what settles once its memory is free. */
  const leaving = new Map<Copy, Promise<void>>();
  let clock = 0;

  const sum = (of: Iterable<Copy>): number => {
    let total = 0;
    for (const { bytes } of of) total += bytes;
    return total;
  };
  const tell = (): void =>
    changed({ models: copies.size + leaving.size, bytes: sum(copies) + sum(leaving.keys()) });

  /** Of what is idle: copies of models that another thread has go before the last one of a model, then the least recently used. */
  const nextToGo = (keep: Copy | null): Copy | undefined => {
    const counts = new Map<string, number>();
    for (const { sha256 } of copies) counts.set(sha256, (counts.get(sha256) ?? 0) + 1);
    const isLast = ({ sha256 }: Copy): number => (counts.get(sha256) === 1 ? 1 : 0);
    return [...copies]
      .filter((copy) => copy.users === 0 && copy !== keep)
      .sort((a, b) => isLast(a) - isLast(b) || a.usedAt - b.usedAt)[0];
  };

  /** Lets idle copies go until so many bytes more have room, or nothing but `keep` is left of them. */
  const makeRoom = (bytes: number, keep: Copy | null = null): void => {
    while (sum(copies) + bytes > limitBytes) {
      const copy = nextToGo(keep);
      if (copy === undefined) return;
      copies.delete(copy);
      copy.unload();
    }
  };

  const fits = (bytes: number): boolean =>
    sum([...copies].filter(({ users }) => users > 0)) + bytes <= limitBytes;

  const requireRoom = (bytes: number): void => {
    if (bytes > limitBytes)
      throw new UnfoldError(
        'limit_exceeded',
        `The model needs ${bytes} bytes of memory, but the limit is ${limitBytes}.`,
        { param: 'model' },
      );
    if (!fits(bytes))
      throw new UnfoldError('overloaded', 'All memory for models is in use. Try again in a moment.');
  };

  const thread = (unload: (sha256: string) => void): ThreadModels => {
    const held = new Map<string, Copy>();
    /** Copies that the thread was told to let go, in that order, each with what tells that it did. */
    const going: { copy: Copy; free: () => void }[] = [];
    const firstGoing = (sha256: string): number => going.findIndex(({ copy }) => copy.sha256 === sha256);

    const drop = (copy: Copy): void => {
      copies.delete(copy);
      if (held.get(copy.sha256) === copy) held.delete(copy.sha256);
    };

    const letGo = (copy: Copy): void => {
      held.delete(copy.sha256);
      const freed = new Promise<void>((resolve) => {
        const free = (): void => {
          leaving.delete(copy);
          resolve();
        };
        going.push({ copy, free });
      });
      leaving.set(copy, freed);
      // The thread is told after it was told to load it.
      if (copy.room === null) unload(copy.sha256);
      else void copy.room.then(() => unload(copy.sha256));
    };

    const add = (sha256: string, bytes: number, room: Promise<void> | null): Copy => {
      const copy: Copy = { sha256, bytes, users: 0, usedAt: ++clock, room, unload: () => letGo(copy) };
      copies.add(copy);
      held.set(sha256, copy);
      void room?.then(() => {
        copy.room = null;
      });
      return copy;
    };

    const load = ({ sha256, bytes }: ModelSource): Copy => {
      requireRoom(bytes);
      makeRoom(bytes);
      const room = leaving.size === 0 ? null : Promise.all(leaving.values()).then(() => {});
      const copy = add(sha256, bytes, room);
      tell();
      return copy;
    };

    /** A copy that could not be loaded is forgotten with the last call that wanted it. */
    const noteGone = (sha256: string): void => {
      const first = firstGoing(sha256);
      const copy = held.get(sha256);
      if (first >= 0) for (const gone of going.splice(first, 1)) gone.free();
      else if (copy?.users === 0) drop(copy);
      else if (copy !== undefined) copy.bytes = 0;
    };

    const noteBytes = (sha256: string, bytes: number): void => {
      // One that goes is told of before the next one of the same file, which waits for that.
      const copy = going[firstGoing(sha256)]?.copy ?? held.get(sha256) ?? add(sha256, 0, null);
      const grew = bytes > copy.bytes;
      copy.bytes = bytes;
      if (grew) makeRoom(0, copy);
    };

    return {
      has: (sha256) => held.has(sha256),
      use(source) {
        const copy = held.get(source.sha256) ?? load(source);
        copy.users += 1;
        return {
          room: copy.room,
          leave() {
            copy.users -= 1;
            copy.usedAt = ++clock;
            if (copy.users > 0) return;
            if (copy.bytes === 0) drop(copy);
            makeRoom(0, copy);
          },
        };
      },
      report(sha256, bytes) {
        if (bytes === 0) noteGone(sha256);
        else noteBytes(sha256, bytes);
        tell();
      },
      end() {
        for (const copy of [...held.values()]) drop(copy);
        for (const { free } of going) free();
        tell();
      },
    };
  };

  return { thread, fits };
};
