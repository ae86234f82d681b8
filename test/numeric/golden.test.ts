import { type Backend, createNative, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { metricsOf, record, sentence, textFile, tinySpec } from '../../packages/rnn/test-support/runs.ts';
import { nativeEngines } from '../support/native-engines.ts';

/** Ten steps of a model with everything that trains, in sizes that no vector divides. */
async function losses(cell: string, backend: Backend): Promise<number[]> {
  const run = await record({
    spec: tinySpec({
      model: { cell, hidden_size: 21, num_layers: 2, embedding_size: 7, dropout: 0.1 },
      training: { batch_size: 5, sequence_length: 9, epochs: 9, max_steps: 10, validation_fraction: 0 },
    }),
    data: textFile(sentence.repeat(12)),
    backend,
  });
  backend.close();
  return metricsOf(run).flatMap(({ values }) => (values.loss === undefined ? [] : [values.loss]));
}

describe.each(['lstm', 'gru', 'elman'])('ten training steps of %s', (cell) => {
  // After a change that is meant to change them: npx vitest run test/numeric/golden.test.ts -u
  test('have the losses that they have always had, in double precision', async () => {
    const truth = await losses(cell, createReference({ precision: 'float64' }));
    expect(truth).toHaveLength(10);
    expect(truth.at(-1)).toBeLessThan(truth[0]!);
    const text = JSON.stringify(
      truth.map((loss) => Number(loss.toFixed(6))),
      null,
      2,
    );
    await expect(`${text}\n`).toMatchFileSnapshot(`./fixtures/golden-losses-${cell}.json`);
  });

  const engines = [{ name: 'reference', create: () => createReference() }, ...nativeEngines()];
  test.each(engines)('have nearly the same losses on $name', async ({ create }) => {
    const truth = await losses(cell, createReference({ precision: 'float64' }));
    const own = await losses(cell, create());
    expect(own).toHaveLength(truth.length);
    for (const [i, loss] of own.entries())
      expect(Math.abs(loss / truth[i]! - 1), `step ${i + 1}`).toBeLessThan(2e-5);
  });

  const sets = nativeEngines().map(({ name }) => name.replace('native ', ''));
  test.skipIf(sets.length === 0).each(sets)(
    'have the same losses to the last bit on native %s, whatever the number of threads',
    async (instructionSet) => {
      const one = await losses(cell, createNative({ instructionSet, threads: 1 }));
      for (const threads of [2, 3, 7])
        expect(await losses(cell, createNative({ instructionSet, threads }))).toEqual(one);
    },
  );
});
