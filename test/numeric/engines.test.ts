import { type Backend, createReference } from '@unfold/kernels';
import { expect, test } from 'vitest';
import {
  checkpointsOf,
  logsOf,
  metricsOf,
  record,
  sentence,
  textFile,
  tinySpec,
} from '../../packages/rnn/test-support/runs.ts';
import { nativeEngines } from '../support/native-engines.ts';

const models = [
  { cell: 'lstm', num_layers: 2, dropout: 0.2 },
  { cell: 'gru', num_layers: 2, embedding_size: 5 },
  { cell: 'elman' },
];
const [native] = nativeEngines();

// Where the addon was not built there is one engine only, and nothing to compare.
test.skipIf(!native).each(models)(
  'a run of %o that moves to another engine at a checkpoint ends where one engine would have led it',
  async (model) => {
    const spec = tinySpec({ model, training: { epochs: 3, checkpoint_every: 4, log_every: 1 } });
    const data = textFile(sentence.repeat(3));
    const engines: (() => Backend)[] = [() => createReference(), native!.create];
    for (const [first, second] of [engines, engines.toReversed()] as const) {
      const whole = await record({ spec, data, backend: first!() });
      const resume = checkpointsOf(whole)[0]!.data;
      const moved = await record({ spec, data, backend: second!(), resume });
      expect(logsOf(moved).join()).toMatch(/was written by engine (reference|native)/);
      const expected = new Map(metricsOf(whole).map(({ step, values }) => [step, values.loss]));
      const compared = metricsOf(moved).filter(({ values }) => values.loss !== undefined);
      expect(compared.length).toBeGreaterThan(2);
      for (const { step, values } of compared) expect(values.loss).toBeCloseTo(expected.get(step)!, 4);
    }
  },
);
