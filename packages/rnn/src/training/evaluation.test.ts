import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { createRig, openData } from '../../test-support/network-rig.ts';
import { specOfTask } from '../../test-support/record-tasks.ts';
import { textFile } from '../../test-support/runs.ts';
import { Evaluation } from './evaluation.ts';

const letters = (length: number, k: number): string =>
  Array.from({ length }, (_, t) => 'abc'[(t * (k + 1) + (t >> 3)) % 3]).join('');
/** Far more steps than a pass takes at once. */
const texts = [300, 20, 210, 150].map(letters);
const json = (records: object[]) => (): string =>
  textFile(records.map((record) => JSON.stringify(record)).join('\n'));
const labelled = json(texts.map((input, k) => ({ input, label: k % 2 ? 'x' : 'y' })));
const lines = { text: { sequences: 'lines' }, data: () => textFile(texts.join('\n')) };

describe('an evaluation in pieces', () => {
  test.each([
    ['lines that end by a token', lines],
    [
      'lines that end by a coin, with batch statistics',
      { ...lines, model: { length: 'bernoulli', norm: 'batch' } },
    ],
    ['lines that count down', { ...lines, model: { length: 'countdown', max_length: 300 } }],
    [
      'texts of a label',
      {
        task: 'conditional_generation',
        data: json(texts.map((text, k) => ({ text, context: k % 2 ? 'x' : 'y' }))),
      },
    ],
    ['a classification', { task: 'classification', data: labelled }],
    [
      'a classification read both ways',
      { task: 'classification', model: { bidirectional: true }, data: labelled },
    ],
    [
      'a labeling that is fed its outputs',
      {
        task: 'sequence_labeling',
        model: { recurrence: 'both' },
        data: json(texts.map((text) => ({ input: [...text], output: [...text] }))),
      },
    ],
  ])('has the losses of whole sequences: %s', async (_, task) => {
    const spec = specOfTask({ ...task, training: { batch_size: texts.length } });
    const rig = createRig(spec, await openData(spec, task.data()), createReference({ precision: 'float64' }));
    const batch = rig.feed.load(0, 0);
    const { losses, endings } = await rig.infer(batch);
    const evaluation = new Evaluation(rig.network, rig.feed, true);
    const found = (await evaluation.run(async () => false))!;
    const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
    expect(found.loss).toBeCloseTo(sum(losses) / batch.count, 12);
    if (endings) expect(found.length).toBeCloseTo(sum(endings) / batch.tokens, 12);
    else expect(found.length).toBeNull();
    evaluation.release();
  });
});
