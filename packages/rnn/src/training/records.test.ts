import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { finalOf, resumedRun } from '../../test-support/resumes.ts';
import { checkpointsOf, metricsOf, record, textFile, tinySpec } from '../../test-support/runs.ts';
import { LanguageModel } from '../language-model.ts';
import { exportWeights } from '../weights/export.ts';

const words = ['ab', 'abb', 'b', 'aabba', 'ba', 'abab', 'bb', 'a', 'bbbab', 'aa', 'bab', 'abba'];
const lines = () => textFile(`${words.join('\n')}\n`, 'lines.txt');
const conditioned = () =>
  textFile(words.map((text, k) => JSON.stringify({ context: k % 2 ? 'odd' : 'even', text })).join('\n'));
const vectored = () =>
  textFile(words.map((text, k) => JSON.stringify({ context: [k, k % 3], text })).join('\n'));

type Fields = Record<string, unknown>;
interface Case {
  task?: string;
  text?: Fields;
  model?: Fields;
  training?: Fields;
  data: () => string;
}

const sequences = { sequences: 'lines' };
const cases: [string, Case][] = [
  ['lines that end by a token', { text: sequences, data: lines }],
  ['lines that end by a coin', { text: sequences, model: { length: 'bernoulli' }, data: lines }],
  ['lines that count down', { text: sequences, model: { length: 'countdown', max_length: 6 }, data: lines }],
  [
    'lines that count down once',
    { text: sequences, model: { length: 'countdown', max_length: 6, renew: false }, data: lines },
  ],
  [
    'lines with options, cut gradients and batch statistics',
    {
      text: sequences,
      model: {
        cell: 'gru',
        norm: 'batch',
        num_layers: 2,
        variational_dropout: 0.3,
        initial_state: 'learned',
      },
      training: { bptt: { window: 2 } },
      data: lines,
    },
  ],
  ['texts of a label', { task: 'conditional_generation', data: conditioned }],
  [
    'texts of a vector in the first state',
    { task: 'conditional_generation', model: { context: { inject: 'both' } }, data: vectored },
  ],
];

const specOf = ({ task, text, model, training }: Case) =>
  tinySpec({
    ...(task && { task }),
    ...(text && { text }),
    ...(model && { model }),
    training: { max_steps: 6, epochs: 9, checkpoint_every: 2, evaluate_every: 3, ...training },
  });

describe('training on sequences', () => {
  test.each(cases)('ends with the same bits after a stop, and writes and scores: %s', async (_, each) => {
    const spec = specOf(each);
    const whole = await resumedRun(spec, each.data());
    expect(metricsOf(whole).at(-1)!.values.validation_loss).toBeGreaterThan(0);

    const model = await LanguageModel.load(exportWeights(finalOf(whole)), createReference());
    const context =
      model.contextKind === 'label' ? 'odd' : model.contextKind === 'vector' ? [1, 2] : undefined;
    let text = '';
    let logProbability = 0;
    let reason: string | undefined;
    for await (const token of model.generate({
      seed: 3,
      max_tokens: 40,
      ...(context !== undefined && { context }),
    })) {
      text += token.text;
      logProbability += token.log_probability;
      reason = token.finish_reason;
    }
    expect(text).not.toContain('<s>');
    // What was drawn of the remaining length need not have been what it turned out to be.
    if (reason === 'stop' && (spec.model.length !== 'countdown' || !spec.model.renew)) {
      const score = await model.score(text, context);
      expect(score.total).toBeCloseTo(logProbability, 3);
    }
    model.close();
  });

  test('learns how long sequences are, and ends them', async () => {
    const data = textFile('aaa\n'.repeat(40));
    for (const length of ['eos', 'bernoulli', 'countdown']) {
      const spec = tinySpec({
        text: sequences,
        model: { hidden_size: 8, length, ...(length === 'countdown' && { max_length: 4 }) },
        training: { epochs: 60, batch_size: 8, optimizer: { learning_rate: 0.05 } },
      });
      const run = await record({ spec, data });
      const model = await LanguageModel.load(
        exportWeights(checkpointsOf(run).at(-1)!.data),
        createReference(),
      );
      let text = '';
      for await (const token of model.generate({ seed: 1, temperature: 0, max_tokens: 20 }))
        text += token.text;
      expect(text, length).toBe('aaa');
      expect((await model.score('aaa')).total, length).toBeGreaterThan(-0.5);
      expect((await model.score('aa')).total, length).toBeLessThan(-1);
    }
  });
});
