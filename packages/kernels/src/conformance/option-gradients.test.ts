import { test } from 'vitest';
import { createTruth } from './engines.ts';
import { checkGradients, dot } from './finite-differences.ts';
import { Harness } from './harness.ts';
import { optionCells, optionPass, type Sizes } from './option-cells.ts';

const shapes: readonly { readonly shape: Sizes; readonly lengths: readonly number[] | null }[] = [
  { shape: [1, 1, 1, 1], lengths: null },
  { shape: [4, 3, 2, 4], lengths: null },
  { shape: [3, 4, 5, 2], lengths: [2, 3, 0, 3] },
];

const dense = optionCells.flatMap((cell) =>
  shapes.map((shape) => ({ ...cell, ...shape, cell, reads: 'dense' as const })),
);
/** Of all options only normalisation looks at what was read; `gradients.test.ts` has tokens read by plain cells. */
const tokens = optionCells
  .filter(({ options }) => options.norm)
  .map((cell) => ({ ...cell, ...shapes[1]!, cell, reads: 'tokens' as const }));

test.each([...dense, ...tokens])(
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
