import { expect, test } from 'vitest';
import { createRandomStream, inverseNormal, philox4x32, randomPurposes, uniformAt } from './philox.ts';

// Random123's kat_vectors, lines "philox4x32 10": counter, key, result.
const knownAnswers = [
  '00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8',
  'ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd',
  '243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1',
];

test.each(knownAnswers)('philox4x32-10 gives the published answer for %s', (line) => {
  const [c0, c1, c2, c3, k0, k1, ...result] = line.split(' ').map((word) => Number.parseInt(word, 16));
  const out = new Uint32Array(4);
  philox4x32(c0!, c1!, c2!, c3!, k0!, k1!, out);
  expect([...out]).toEqual(result);
});

test('a stream depends on every part of its address and on nothing else', () => {
  const base = { seed: 1, purpose: randomPurposes.sampling, step: 2, layer: 3, sequence: 4, t: 5 };
  const first = createRandomStream(base).uniform();
  expect(createRandomStream(base).uniform()).toBe(first);
  expect(uniformAt(base)).toBe(first);
  for (const part of ['seed', 'purpose', 'step', 'layer', 'sequence', 't'] as const)
    expect(createRandomStream({ ...base, [part]: base[part] + 1 }).uniform()).not.toBe(first);
});

test('uniform, normal and bounded draws have the moments of their distributions', () => {
  const stream = createRandomStream({ seed: 7, purpose: randomPurposes.initialization });
  const n = 100_000;
  let uniform = 0;
  let normal = 0;
  let square = 0;
  const counts = new Array<number>(6).fill(0);
  for (let i = 0; i < n; i++) {
    const u = stream.uniform();
    expect(u >= 0 && u < 1).toBe(true);
    uniform += u / n;
    const z = stream.normal();
    normal += z / n;
    square += (z * z) / n;
    const face = stream.below(6);
    counts[face] = counts[face]! + 1;
  }
  expect(Math.abs(uniform - 0.5)).toBeLessThan(0.004);
  expect(Math.abs(normal)).toBeLessThan(0.013);
  expect(Math.abs(square - 1)).toBeLessThan(0.02);
  for (const count of counts) expect(Math.abs(count - n / 6)).toBeLessThan(500);
});

test('the normal quantile function hits tabled values in all three of its ranges', () => {
  expect(inverseNormal(0.5)).toBe(0);
  // Python: statistics.NormalDist().inv_cdf(p)
  const tabled: [number, number][] = [
    [0.9, 1.2815515655446008],
    [0.75, 0.6744897501960817],
    [0.975, 1.9599639845400536],
    [0.01, -2.3263478740408408],
    [1e-6, -4.753424308822899],
    [1e-12, -7.034483825301132],
    [1.1641532182693481e-10, -6.337957754553789],
  ];
  for (const [p, z] of tabled) expect(Math.abs(inverseNormal(p) / z - 1)).toBeLessThan(1e-14);
});
