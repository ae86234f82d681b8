import { jobSpec, parseRequest } from '@unfold/contracts';
import { describe, expect, test } from 'vitest';
import { record, sentence, textFile } from '../../test-support/runs.ts';
import { checkData } from '../data/records/check-data.ts';
import { estimate } from '../estimate.ts';

type Fields = Record<string, unknown>;

const specOf = ({ model, training, ...fields }: Fields) =>
  parseRequest(jobSpec, {
    file: `file-${'0'.repeat(26)}`,
    ...fields,
    model: { hidden_size: 3, num_layers: 1, ...(model as Fields) },
    training: {
      epochs: 1,
      batch_size: 4,
      sequence_length: 4,
      validation_fraction: 0,
      ...(training as Fields),
    },
  });

const json = (records: object[]): string => records.map((each) => JSON.stringify(each)).join('\n');
const labelled = (count: number, input: unknown): string =>
  json(Array.from({ length: count }, (_, k) => ({ input, label: `${k % 2}` })));
const tagged = json([1, 2].map(() => ({ input: ['a', 'b'], output: ['x', 'y'] })));
const classification = { task: 'classification' };
const batch = { norm: 'batch' };
const afresh = { bptt: { stateful: false } };

/** Title, field, what is refused, what is taken. */
type Row = [string, string, [Fields, string], [Fields, string]];
const rows: Row[] = [
  [
    'an embedding of numbers',
    'model.embedding_size',
    [{ ...classification, model: { embedding_size: 2 } }, labelled(4, [[1, 2]])],
    [{ ...classification, model: { embedding_size: 2 } }, labelled(4, 'ab')],
  ],
  [
    'normalisation without numbers',
    'series.normalization',
    [{ task: 'sequence_labeling', series: { normalization: 'standard' } }, tagged],
    [{ ...classification, series: { normalization: 'standard' } }, labelled(4, [[1, 2]])],
  ],
  [
    'batch statistics of the only record',
    'model.norm',
    [{ ...classification, model: batch }, labelled(1, 'ab')],
    [{ ...classification, model: batch }, labelled(2, 'ab')],
  ],
  [
    'batch statistics of a record that pairs leave over',
    'model.norm',
    [{ ...classification, model: batch, training: { batch_size: 2 } }, labelled(7, 'ab')],
    [{ ...classification, model: batch, training: { batch_size: 3 } }, labelled(7, 'ab')],
  ],
  [
    'batch statistics of what is not held out',
    'model.norm',
    [{ ...classification, model: batch, training: { validation_fraction: 0.5 } }, labelled(2, 'ab')],
    [{ ...classification, model: batch, training: { validation_fraction: 0.5 } }, labelled(4, 'ab')],
  ],
  [
    'batch statistics of a series of one window',
    'model.norm',
    [{ task: 'forecasting', model: batch, training: afresh }, '1\n2\n3\n4\n5\n6\n'],
    [{ task: 'forecasting', model: batch, training: afresh }, '1\n2\n3\n4\n5\n6\n7\n8\n9\n'],
  ],
];

describe('options without a meaning for the data', () => {
  test.each(rows)(
    'are refused before a job is queued and where it trains: %s',
    async (_, param, refused, taken) => {
      const attempt = async ([fields, content]: [Fields, string]) => {
        const spec = specOf(fields);
        const data = textFile(content);
        const summary = await checkData({ spec, data, validation: null });
        return {
          ask: () => estimate(spec, { characters: content.length, bytes: content.length }, summary),
          train: () => record({ spec, data }),
        };
      };
      const bad = await attempt(refused);
      const refusal = expect.objectContaining({
        code: 'impossible_with_data',
        param,
        message: expect.stringContaining(param),
      });
      expect(bad.ask).toThrow(refusal);
      await expect(bad.train()).rejects.toEqual(refusal);
      const good = await attempt(taken);
      expect(good.ask).not.toThrow();
      expect((await good.train()).outcome.type).toBe('completed');
    },
  );

  test('are refused where it trains, if a text is too short for two windows', async () => {
    const spec = specOf({ model: batch, training: { ...afresh, sequence_length: 40 } });
    await expect(record({ spec, data: textFile(sentence) })).rejects.toMatchObject({
      code: 'impossible_with_data',
      param: 'model.norm',
    });
    expect((await record({ spec, data: textFile(sentence.repeat(2)) })).outcome.type).toBe('completed');
  });
});
