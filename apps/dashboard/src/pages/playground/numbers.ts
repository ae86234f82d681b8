/**
 * Numbers as people write them: a time step each line, its numbers separated by commas, semicolons or blanks; empty lines count for nothing.
 * @throws Error that names the line, counted from 1, and what in it is no number
 */
export const numbersOf = (given: string): number[][] =>
  given.split('\n').flatMap((line, place) => {
    const words = line.split(/[,;\s]+/).filter(Boolean);
    const row = words.map((word) => {
      const value = Number(word);
      if (!Number.isFinite(value)) throw new Error(`line ${place + 1}: ${word} is no number.`);
      return value;
    });
    return row.length === 0 ? [] : [row];
  });
