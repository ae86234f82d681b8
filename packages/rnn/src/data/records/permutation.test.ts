import { describe, expect, it } from 'vitest';
import { createPermutation } from './permutation.ts';

describe('a permutation that is a function', () => {
  it.each([1, 2, 3, 17, 1000])('reaches every place of %i once', (size) => {
    const place = createPermutation(size, { seed: 5, purpose: 5, step: 3 });
    const places = Array.from({ length: size }, (_, k) => place(k));
    expect(places.sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, k) => k));
  });
});
