/** Lets text through until a stop string appears; never a part of one. */
export interface StopFilter {
  /** @returns what may be shown now, and whether a stop string was completed: then nothing more comes */
  push(text: string): { text: string; stopped: boolean };
  /** What was held back because it might have become a stop string. */
  finish(): string;
}

/** Longest end of `text` that a stop string begins with. */
const heldLength = (text: string, stops: readonly string[], longest: number): number => {
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (stops.some((stop) => stop.startsWith(end))) return length;
  }
  return 0;
};

const passing: StopFilter = { push: (text) => ({ text, stopped: false }), finish: () => '' };

export const createStopFilter = (stops: readonly string[]): StopFilter => {
  if (stops.length === 0) return passing;
  const longest = Math.max(...stops.map((stop) => stop.length - 1));
  let pending = '';
  return {
    push(text) {
      pending += text;
      const found = stops.map((stop) => pending.indexOf(stop)).filter((at) => at >= 0);
      if (found.length > 0) {
        const shown = pending.slice(0, Math.min(...found));
        pending = '';
        return { text: shown, stopped: true };
      }
      const shown = pending.slice(0, pending.length - heldLength(pending, stops, longest));
      pending = pending.slice(shown.length);
      return { text: shown, stopped: false };
    },
    finish() {
      const rest = pending;
      pending = '';
      return rest;
    },
  };
};
