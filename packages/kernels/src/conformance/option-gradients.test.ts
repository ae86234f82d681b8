import { test } from 'vitest';
import { createTruth } from './engines.ts';
import { checkGradients, dot } from './finite-differences.ts';
import { Harness } from './harness.ts';
import { optionCells, optionPass, type Sizes } from './option-cells.ts';

const sizes: readonly Sizes[] = [
  [1, 1, 1, 1],
  [4, 3, 2, 4],
  [3, 4, 5, 2],
];

const table = optionCells.flatMap((cell) => [
  ...sizes.map((shape) => ({ ...cell, cell, shape, reads: 'dense' as const, lengths: null })),
  { ...cell, cell, shape: sizes[1]!, reads: 'tokens' as const, lengths: null },
  { ...cell, cell, shape: sizes[2]!, reads: 'dense' as const, lengths: [2, 3, 0, 3] },
]);

test.each(table)(
  'every gradient of $title is that of finite differences: $shape, $reads, lengths $lengths',
  async ({ cell, shape, reads, lengths }) => {
    const backend = createTruth();
    const pass = optionPass(new Harness(backend), cell, shape, reads, { lengths });
    await checkGradients(backend, {
      inputs: pass.inputs,
      async loss() {
        pass.forward();
        return dot(backend, pass.weighted);
      },
      async gradients() {
        pass.forward();
        return pass.backward();
      },
    });
  },
);
