import { philox4x32, purposeWord } from '@unfold/kernels';

const rounds = 6;

/**
 * A pseudo-random permutation of 0 … size − 1 as a function, so that no order is ever stored: a Feistel network whose round function is
 * Philox, on the smallest square domain that holds `size`, walked until it lands inside (Black and Rogaway, "Ciphers with arbitrary finite
 * domains", 2002).
 */
export const createPermutation = (
  size: number,
  { seed, purpose, step }: { seed: number; purpose: number; step: number },
): ((position: number) => number) => {
  let half = 1;
  while (half * half < size) half *= 2;
  const block = new Uint32Array(4);
  const key = purposeWord(purpose, 0);
  const once = (value: number): number => {
    let left = Math.floor(value / half);
    let right = value % half;
    for (let round = 0; round < rounds; round++) {
      philox4x32(step, round, right, 0, seed, key, block);
      [left, right] = [right, (left ^ block[0]!) & (half - 1)];
    }
    return left * half + right;
  };
  return (position) => {
    let value = once(position);
    while (value >= size) value = once(value);
    return value;
  };
};
