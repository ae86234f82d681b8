import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend } from '../backend.ts';
import { createTruth } from '../conformance/engines.ts';
import { Harness } from '../conformance/harness.ts';
import { type OptionCell, optionPass, type Sizes } from '../conformance/option-cells.ts';
import { openWebgpu } from '../conformance/software-gpu.ts';
import type { Recurrence } from './options.ts';
import { createWebgpu } from './webgpu-backend.ts';

const found = await openWebgpu();
found?.close();

const plain = (options: OptionCell['options'], training = false): OptionCell => ({
  title: '',
  options,
  training,
});
const zoneout = { hidden: 0.3, cell: 0.4 };

/** T, N, C, H: more rows than a tile has and fewer, more units than a workgroup has threads, more rows than a device has workgroups for. */
const cases: readonly (readonly [name: string, cell: OptionCell, sizes: Sizes, isRagged: boolean])[] = [
  ['gru', plain({ cell: 'gru' }), [3, 17, 2, 33], false],
  ['lstm', plain({ cell: 'lstm' }), [3, 17, 2, 33], false],
  ['elman of many units', plain({ cell: 'elman' }), [2, 2, 1, 260], false],
  ['gru of many rows', plain({ cell: 'gru' }), [3, 300, 1, 3], true],
  ['elman of unequal lengths', plain({ cell: 'elman', activation: 'relu' }), [4, 7, 2, 5], true],
  [
    'lstm with options, of unequal lengths',
    plain(
      { cell: 'lstm', peephole: true, candidateActivation: 'softsign', recurrentDropout: 0.4, zoneout },
      true,
    ),
    [4, 7, 2, 9],
    true,
  ],
  [
    'gru with options',
    plain({ cell: 'gru', recurrentDropout: 0.4, zoneout: { hidden: 0.3, cell: 0 } }, true),
    [4, 7, 2, 9],
    false,
  ],
];
const ways = ['separate', 'step', 'sequence'] as const satisfies readonly Recurrence[];

describe.skipIf(!found)('layers through time', () => {
  const backends = new Map<Recurrence, Backend>();
  beforeAll(async () => {
    for (const recurrence of ways) backends.set(recurrence, await createWebgpu({ recurrence }));
  });
  afterAll(() => {
    for (const backend of backends.values()) backend.close();
  });

  async function outcome(on: Backend, cell: OptionCell, sizes: Sizes, lengths: readonly number[] | null) {
    const h = new Harness(on);
    const made = optionPass(h, cell, sizes, 'dense', { size: 1 / Math.sqrt(sizes[3]), lengths });
    made.forward();
    const before = await h.read(made.outputs);
    return { before, after: await h.read(made.backward()) };
  }

  test.each(cases)(
    '%s: in two kernels a step, in one, and in one for all steps',
    async (_, cell, sizes, isRagged) => {
      const [T, N] = sizes;
      const lengths = isRagged ? Array.from({ length: N }, (_, n) => (n * 3 + 1) % (T + 1)) : null;
      const truth = createTruth();
      const expected = await outcome(truth, cell, sizes, lengths);
      truth.close();
      const found = new Map<Recurrence, typeof expected>();
      for (const way of ways) found.set(way, await outcome(backends.get(way)!, cell, sizes, lengths));
      for (const way of ways)
        for (const part of ['before', 'after'] as const)
          for (const [name, values] of Object.entries(expected[part])) {
            const own = found.get(way)![part][name]!;
            const size = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
            const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - own[i]!)), 0);
            expect(worst / size, `${way}, ${name}`).toBeLessThan(1e-5);
          }
      expect(found.get('step')!.before).toEqual(found.get('separate')!.before);
      expect(found.get('sequence')).toEqual(found.get('step'));
    },
  );
});
