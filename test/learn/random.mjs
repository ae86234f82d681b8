// Pseudo-random draws for generated data, the same on every machine for a seed: splitmix32, which is small and good enough to make examples with.

/** @returns {() => number} uniform in [0, 1) */
export function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `least` to `most`. */
export const whole = (random, least, most) => least + Math.floor(random() * (most - least + 1));

/** One of a list. */
export const pick = (random, list) => list[Math.floor(random() * list.length)];

/** `count` items that `make` gives. */
export const repeat = (count, make) => Array.from({ length: count }, (_, index) => make(index));
