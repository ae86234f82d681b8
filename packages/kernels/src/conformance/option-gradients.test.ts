import { test } from 'vitest';
import { createTruth } from './engines.ts';
import { checkGradients, dot } from './finite-differences.ts';
import { Harness } from './harness.ts';
import { optionCells, optionPass, type Sizes } from './option-cells.ts';

const sizes: readonly Sizes[] = [
  [1, 1, 1, 1],
  [4, 3, 2, 5],
  [3, 4, 5, 3],
];

const table = optionCells.flatMap((cell) =>
  sizes.flatMap((shape) => (['dense', 'tokens'] as const).map((reads) => ({ ...cell, cell, shape, reads }))),
);

test.each(table)(
  'every gradient of $title is that of finite differences: $shape, $reads',
  async ({ cell, shape, reads }) => {
    const backend = createTruth();
    const pass = optionPass(new Harness(backend), cell, shape, reads);
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
