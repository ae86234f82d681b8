/** Answers that may be a moment old. Whoever asks at the same time gets the same one. */
export interface Remembered<T> {
  /** What is known is given at once: every request asks, and each turn of a promise costs. */
  get(key: string, ask: () => Promise<T>): T | Promise<T>;
  /** To be called when this process changed what was asked about, so that it sees that at once. */
  forget(): void;
}

interface Options<T> {
  forMs: number;
  /** Answers that are kept; the oldest go first. */
  most: number;
  /** What is worth keeping; failures never are. */
  keeps?: (answer: T) => boolean;
}

export const createRemembered = <T>({ forMs, most, keeps = () => true }: Options<T>): Remembered<T> => {
  /** Oldest first. Kept from when they were asked, so that none is older than it seems. */
  const known = new Map<string, { answer: T | Promise<T>; until: number }>();

  const ask = (key: string, question: () => Promise<T>): Promise<T> => {
    const answer = question();
    const entry: { answer: T | Promise<T>; until: number } = { answer, until: performance.now() + forMs };
    known.delete(key);
    known.set(key, entry);
    for (const oldest of known.keys()) {
      if (known.size <= most) break;
      known.delete(oldest);
    }
    const drop = (): void => {
      if (known.get(key) === entry) known.delete(key);
    };
    answer.then((value) => {
      entry.answer = value;
      if (!keeps(value)) drop();
    }, drop);
    return answer;
  };

  return {
    get(key, question) {
      const entry = known.get(key);
      return entry !== undefined && performance.now() < entry.until ? entry.answer : ask(key, question);
    },
    forget: () => known.clear(),
  };
};
