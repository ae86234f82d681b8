import { describe, expect, it } from 'vitest';
import {
  classification,
  conditional,
  forecasting,
  good,
  labeling,
  lines,
  noLimit,
  pair,
  refusal,
  series,
  short,
} from '../../../test-support/checked-data.ts';

type Row = [title: string, options: object, content: string, line: number | null, message: string];
const rows: Row[] = [
  ['no JSON', labeling, `${pair}{"input": [NaN], "output": [1]}`, 2, 'which is not JSON'],
  ['a list instead of an object', labeling, `${pair}[1]`, 2, 'received a list of 1'],
  ['a key too few', labeling, `${pair}{"input": ["a"]}`, 2, 'an object without "output"'],
  [
    'a key too many',
    labeling,
    `${pair}{"input": ["a"], "output": ["b"], "id": 3}`,
    2,
    'the unknown key "id"',
  ],
  [
    'a key twice',
    labeling,
    `${pair}{"input": ["a"], "output": ["b"], "in\\u0070ut": ["c"]}`,
    2,
    'expected "input" once, but received it twice',
  ],
  [
    'sequences of two lengths',
    labeling,
    `${pair}${good({ input: ['a', 'b'], output: ['x'] })}`,
    2,
    'expected "output" to be as long as "input", 2 entries, but received 1',
  ],
  ['nothing to read', labeling, `${pair}${good({ input: [], output: [] })}`, 2, 'an empty list'],
  ['no target at all', labeling, `${pair}${good({ input: ['a'], output: [null] })}`, 2, 'nulls only'],
  [
    'a hole in the input',
    labeling,
    `${pair}${good({ input: [null, 'a'], output: ['x', 'y'] })}`,
    2,
    '"input"[0]',
  ],
  [
    'tokens after vectors',
    labeling,
    `${good({ input: [[1]], output: ['x'] })}${good({ input: ['a'], output: ['x'] })}`,
    2,
    'expected the input to be vectors of 1 as in line 1, but received tokens',
  ],
  [
    'a number among tokens',
    labeling,
    `${pair}${good({ input: ['a', 1], output: ['x', 'y'] })}`,
    2,
    'expected "input"[1] to be text, but received 1',
  ],
  [
    'vectors of two widths',
    labeling,
    `${pair}\n${good({ input: [[1, 2], [3]], output: ['x', 'y'] })}`,
    3,
    'expected "input"[1] of 2 numbers',
  ],
  [
    'vectors of another width',
    labeling,
    good({ input: [[1, 2]], output: ['x'] }) + good({ input: [[1]], output: ['x'] }),
    2,
    'vectors of 2 as in line 1',
  ],
  [
    'a number beyond doubles',
    labeling,
    `${good({ input: [[1]], output: ['x'] })}{"input": [[1e999]], "output": ["x"]}`,
    2,
    'expected "input"[0][0] to be a number within single precision (3.4e38), but received one beyond the range of doubles',
  ],
  [
    'a number beyond single precision',
    labeling,
    good({ input: [[1]], output: ['x'] }) + good({ input: [[-1e39]], output: ['x'] }),
    2,
    'within single precision (3.4e38), but received -1e+39',
  ],
  [
    'a context beyond single precision',
    conditional,
    good({ context: [1], text: 'x' }) + good({ context: [1e300], text: 'x' }),
    2,
    'expected "context"[0] to be a number within single precision',
  ],
  [
    'a context of nothing',
    conditional,
    good({ context: 'a', text: 'x' }) + good({ context: 5, text: 'x' }),
    2,
    'a label or a list of numbers',
  ],
  [
    'an empty text',
    conditional,
    good({ context: 'a', text: 'x' }) + good({ context: 'a', text: '' }),
    2,
    'not empty',
  ],
  [
    'contexts of two kinds',
    conditional,
    good({ context: 'a', text: 'x' }) + good({ context: [1], text: 'x' }),
    2,
    'the context to be a label',
  ],
  [
    'contexts of two widths',
    conditional,
    good({ context: [1, 2], text: 'x' }) + good({ context: [1], text: 'x' }),
    2,
    'the context to be 2 numbers',
  ],
  [
    'half a surrogate pair',
    conditional,
    '{"context": "a", "text": "\\ud800"}\n'.repeat(2),
    1,
    'lone surrogates',
  ],
  ['U+0000', classification, '{"input": "a", "label": "\\u0000"}\n'.repeat(2), 1, 'U+0000'],
  [
    'a label that is a number',
    classification,
    good({ input: 'a', label: 'b' }) + good({ input: 'a', label: 7 }),
    2,
    'expected "label" to be text, but received 7',
  ],
  [
    'a label as long as a text',
    classification,
    good({ input: 'a', label: 'b'.repeat(257) }).repeat(2),
    1,
    'at most 256 characters',
  ],
  [
    'a sequence beyond the limit',
    lines,
    `a\n${'b'.repeat(4097)}\nc`,
    2,
    'expected a sequence of at most 4096 tokens, but received 4097',
  ],
  [
    'more than a countdown counts',
    { ...lines, model: { length: 'countdown', max_length: 3 } },
    'abc\nabcd\n',
    2,
    'at most 3 tokens (model.max_length), but received 4',
  ],
  ['one record, of which one is held out', lines, 'alone\n', null, 'at least 2 records'],
  [
    'nothing but empty lines',
    { ...lines, training: noLimit },
    '\n\n\n',
    null,
    'at least 1 record, but received 0',
  ],
  [
    'a line of another width',
    forecasting,
    series.replace('7,8', '7'),
    4,
    'expected 2 cells as in the lines before, but received 1',
  ],
  [
    'a word among numbers',
    forecasting,
    series.replace('8', 'eight'),
    4,
    'expected a number in column 1, but received "eight"',
  ],
  [
    'an empty cell',
    forecasting,
    `a,b\n${series.replace('8', '')}`,
    5,
    'expected a number in column "b", but received ""',
  ],
  [
    'a cell beyond single precision',
    forecasting,
    series.replace('8', '1e39'),
    4,
    'expected a number within single precision (3.4e38) in column 1, but received "1e39"',
  ],
  ['NaN', forecasting, series.replace('8', 'NaN'), 4, 'NaN'],
  [
    'an unknown column',
    { ...forecasting, series: { columns: ['c'] } },
    `a,b\n${series}`,
    1,
    'expected a column "c" (series.columns), but received a line with "a", "b"',
  ],
  ['a column beyond the line', { ...forecasting, series: { columns: [2] } }, series, 1, 'a line of 2'],
  ['no column of numbers', forecasting, 'a,b\nc,d\n', 1, 'at least one column of numbers'],
  ['a quote that never ends', forecasting, `${series}"15,16\n`, 8, 'expected CSV'],
  [
    'fewer steps than a window',
    { task: 'forecasting' },
    series,
    null,
    'at least 65 time steps to train on (training.sequence_length 64 and a target), but received 6',
  ],
  [
    'fewer steps than were meant, since the first line has no numbers',
    { task: 'forecasting' },
    'a,b\n1,x\n',
    null,
    'received 0: the first line was taken for the names of the columns (series.header); ' +
      'column "b" was left out, since "x" is not a number',
  ],
  [
    'steps of two widths',
    forecasting,
    `${'[1, 2]\n'.repeat(7)}[1]\n`,
    8,
    'expected 2 numbers as in the lines before, but received 1',
  ],
  ['a series of one step', forecasting, good({ values: [1] }).repeat(2), 1, 'at least 2 time steps'],
  [
    'other numbers than zeros and ones',
    { task: 'forecasting', training: { ...short, loss: 'bernoulli' } },
    `${'[0, 1]\n'.repeat(7)}[0.5, 1]\n`,
    8,
    'expected zeros and ones (training.loss "bernoulli"), but received 0.5',
  ],
];

describe('data that does not fit its task', () => {
  it.each(rows)(
    'is refused for %s, with its line and what was expected',
    async (_, options, content, line, message) => {
      const error = await refusal(options, content);
      expect(error).toMatchObject({ code: 'invalid_data', param: 'file', status: 422 });
      expect(error.message).toMatch(
        line === null ? /^file: expected/ : new RegExp(`^file, line ${line}: expected`),
      );
      expect(error.message).toContain(message);
    },
  );

  it('is refused for a line that never ends, in constant memory', async () => {
    const error = await refusal(lines, `short\n${'x'.repeat(4 * 1024 * 1024 + 1)}`);
    expect(error.message).toContain('line 2: expected a line of at most');
  });

  it('is refused for a label that only validation data has', async () => {
    const error = await refusal(
      classification,
      good({ input: 'a', label: 'x' }),
      good({ input: 'a', label: 'x' }) + good({ input: 'a', label: '@y' }),
    );
    expect(error).toMatchObject({ code: 'invalid_data', param: 'validation_file' });
    expect(error.message).toBe(
      'validation_file, line 2: expected labels that occur in the training data, but received "@y".',
    );
  });

  it('is refused for validation data of another shape', async () => {
    const error = await refusal(forecasting, '1,2\n'.repeat(9), '1\n2\n3\n');
    expect(error.message).toBe(
      'validation_file, line 1: expected numbers in columns 0, 1 as in the file, but received them in 0.',
    );
  });

  it('is refused for validation data without the columns that the file names', async () => {
    for (const [held, received] of [
      ['a,c\n1,2\n3,4\n', '"a", "c"'],
      ['1,2\n3,4\n', '"1", "2"'],
      ['a\n1\n2\n', '"a"'],
    ]) {
      const error = await refusal(forecasting, `a,b\n${'1,2\n'.repeat(9)}`, held);
      expect(error).toMatchObject({ code: 'invalid_data', param: 'validation_file' });
      expect(error.message).toBe(
        `validation_file, line 1: expected the columns "a", "b" of the file, but received a line with ${received}.`,
      );
    }
  });

  it('is refused where it is not UTF-8', async () => {
    const error = await refusal(lines, new Uint8Array([0x61, 0x0a, 0xff]));
    expect(error).toMatchObject({ code: 'invalid_utf8', param: 'file' });
  });
});
