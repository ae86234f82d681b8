const tellEveryMs = 250;

/** Counts steps by how many choices they advance, and tells now and then: a message a step would cost more than some steps. */
export const createStepCounts = (
  tell: (steps: [rows: number, count: number][]) => void,
): ((rows: number) => void) => {
  const counts = new Map<number, number>();
  return (rows) => {
    if (counts.size === 0)
      setTimeout(() => {
        tell([...counts]);
        counts.clear();
      }, tellEveryMs).unref();
    counts.set(rows, (counts.get(rows) ?? 0) + 1);
  };
};
