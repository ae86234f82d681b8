// The system is asked for many at once: a call of its own for four bytes costs as much as the rest of a short request.
const seeds = new Uint32Array(256);
let left = 0;

/** 0 … 2³² − 1. */
export const randomSeed = (): number => {
  if (left === 0) {
    crypto.getRandomValues(seeds);
    left = seeds.length;
  }
  left--;
  return seeds[left]!;
};
