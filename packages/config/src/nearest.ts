/** Edit distance (Levenshtein 1966): the fewest insertions, deletions and substitutions from `a` to `b`. */
const distance = (a: string, b: string): number => {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substituted = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substituted, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
};

/** The known name most like `name`, for an error about a name that nobody knows; null if none is near enough to be meant. */
export const nearest = (name: string, known: readonly string[]): string | null => {
  const best = known.reduce((best, next) => (distance(name, next) < distance(name, best) ? next : best));
  return distance(name, best) <= name.length / 3 ? best : null;
};
