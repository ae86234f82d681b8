import { createExternal, type External } from '../external.ts';
import type { Extent } from './extent.ts';

/** What part of the horizontal axis is looked at; null: all of it, which grows while a run goes on. */
export type View = External<Extent | null>;

export const createView = (): View => createExternal<Extent | null>(null);

/** Nobody can tell fewer than so many millionths of the axis apart. */
const least = 1e-6;

const within = (view: Extent, all: Extent): Extent | null => {
  const whole = all.to - all.from;
  const size = Math.min(whole, Math.max(view.to - view.from, whole * least));
  if (size >= whole) return null;
  const from = Math.min(Math.max(view.from, all.from), all.to - size);
  return { from, to: from + size };
};

/** Moves the picture by a share of its width. */
export const pan = (view: View, all: Extent, share: number): void => {
  const now = view.get() ?? all;
  const by = share * (now.to - now.from);
  view.set(within({ from: now.from + by, to: now.to + by }, all));
};

/** Makes the picture `factor` times as wide around a place of it, from 0 (its left end) to 1. */
export const zoom = (view: View, all: Extent, factor: number, around = 0.5): void => {
  const now = view.get() ?? all;
  const size = now.to - now.from;
  const centre = now.from + around * size;
  view.set(within({ from: centre - around * size * factor, to: centre + (1 - around) * size * factor }, all));
};
