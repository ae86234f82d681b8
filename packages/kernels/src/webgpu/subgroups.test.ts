import { describe, expect, test } from 'vitest';
import { createTruth } from '../conformance/engines.ts';
import { Harness } from '../conformance/harness.ts';
import { optionPass } from '../conformance/option-cells.ts';
import { openWebgpu } from '../conformance/software-gpu.ts';
import { openDevice } from './device.ts';
import { createWebgpu } from './webgpu-backend.ts';

const found = await openWebgpu();
found?.close();
const hasSubgroups = found !== null && (await openDevice()).hasSubgroups;

/** What workgroups add up: a norm, losses of rows longer than a workgroup has threads, normalised layers. */
async function outcome(h: Harness) {
  const { backend } = h;
  const norm = h.scalar();
  backend.globalNorm({ tensors: [h.real('a', [5003]), h.real('b', [7])], norm });
  const [rows, V] = [5, 131];
  const logits = h.real('logits', [rows, V], 8);
  const targets = h.tokens('targets', [rows], V);
  const [loss, dLogits, output] = [h.scalar(), h.empty([rows, V]), h.empty([rows, V])];
  backend.softmaxCrossEntropy({ logits, targets, count: rows, loss, losses: null, dLogits });
  backend.logSoftmax({ logits, output });
  const normalized = { title: '', training: false, options: { cell: 'lstm', norm: 'layer' } } as const;
  const layer = optionPass(h, normalized, [3, 2, 5, 70], 'dense', { size: 0.1, lengths: null });
  layer.forward();
  return h.read({ norm, loss, dLogits, output, ...layer.outputs, ...layer.backward() });
}

describe.skipIf(!hasSubgroups)('webgpu: sums within a workgroup, by subgroups and without', () => {
  test('agree with the truth, each with the same bits again, under names of their own', async () => {
    const truth = createTruth();
    const expected = await outcome(new Harness(truth));
    truth.close();
    const names = new Set<string>();
    for (const subgroups of [true, false]) {
      const runs: (typeof expected)[] = [];
      for (let turn = 0; turn < 2; turn++) {
        const backend = await createWebgpu({ subgroups });
        names.add(backend.describe().engine);
        runs.push(await outcome(new Harness(backend)));
        backend.close();
      }
      expect(runs[1]).toEqual(runs[0]);
      for (const [name, values] of Object.entries(expected)) {
        const size = Math.max(1e-3, ...values.map(Math.abs));
        const worst = Math.max(...values.map((value, i) => Math.abs(value - runs[0]![name]![i]!)));
        expect(worst / size, `${name}, ${subgroups ? 'by subgroups' : 'without'}`).toBeLessThan(1e-5);
      }
    }
    expect(names.size).toBe(2);
  });
});
