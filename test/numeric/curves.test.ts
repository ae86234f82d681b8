import { type Backend, createBackend, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { openWebgpu } from '../../packages/kernels/src/conformance/software-gpu.ts';
import { metricsOf, record, sentence, textFile, tinySpec } from '../../packages/rnn/test-support/runs.ts';
import { nativeEngines } from '../support/native-engines.ts';

const gpu = await openWebgpu();
gpu?.close();
const steps = 10;

/** Ten steps with everything that trains, and the loss of what was held out after them. */
async function curve(cell: string, backend: Backend): Promise<{ losses: number[]; validation: number }> {
  const run = await record({
    spec: tinySpec({
      model: { cell, hidden_size: 21, num_layers: 2, embedding_size: 7, dropout: 0.1 },
      training: {
        batch_size: 5,
        sequence_length: 9,
        epochs: 9,
        max_steps: steps,
        log_every: 1,
        evaluate_every: steps,
        // Writing a text takes a GPU hundreds of steps, and says nothing of the curve.
        sample_every: 2 * steps,
      },
    }),
    data: textFile(sentence.repeat(12)),
    backend,
  });
  backend.close();
  const values = metricsOf(run).map((metric) => metric.values);
  return {
    losses: values.flatMap(({ loss }) => (loss === undefined ? [] : [loss])),
    validation: values
      .flatMap(({ validation_loss }) => (validation_loss === undefined ? [] : [validation_loss]))
      .at(-1)!,
  };
}

const truths = new Map<string, ReturnType<typeof curve>>();
/** The reference's curve, worked out when the first engine asks and kept for the others. */
const truthOf = (cell: string): ReturnType<typeof curve> => {
  const truth = truths.get(cell) ?? curve(cell, createReference());
  truths.set(cell, truth);
  return truth;
};

const [native] = nativeEngines();
const cells = ['lstm', 'gru', 'elman'];
const others = [
  { name: 'native', isHere: native !== undefined, cells, create: async () => native!.create() },
  // In software a run takes seconds: one shows that training holds together, and conformance that each cell is computed right.
  {
    name: 'webgpu',
    isHere: gpu !== null,
    cells: gpu?.isSoftware ? cells.slice(0, 1) : cells,
    create: () => createBackend('webgpu'),
  },
  { name: 'tfjs', isHere: true, cells, create: () => createBackend('tfjs') },
];

describe.each(others)('a run of the same seed on reference and on $name', ({ isHere, cells, create }) => {
  test.skipIf(!isHere).each(cells)('of %s has the same curve', async (cell) => {
    const expected = await truthOf(cell);
    const own = await curve(cell, await create());
    expect(own.losses).toHaveLength(expected.losses.length);
    expect(own.losses.length).toBeGreaterThanOrEqual(steps);
    for (const [i, loss] of own.losses.entries())
      expect(Math.abs(loss - expected.losses[i]!), `step ${i + 1}`).toBeLessThan(1e-4);
    expect(Math.abs(own.validation / expected.validation - 1)).toBeLessThan(0.01);
  });
});
