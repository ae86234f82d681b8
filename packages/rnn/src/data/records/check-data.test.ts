import { describe, expect, it } from 'vitest';
import {
  check,
  classification,
  conditional,
  forecasting,
  good,
  jsonText,
  labeling,
  lines,
  noLimit,
  pair,
  refusal,
  series,
  short,
} from '../../../test-support/checked-data.ts';
import type { DataSummary } from './check-data.ts';

describe('data that fits its task', () => {
  it.each<[string, object, string, Partial<DataSummary>]>([
    ['lines, whatever their ends', lines, '\ufeffone\r\ntwo\n\nthree', { records: 3, steps: 11, longest: 5 }],
    ['paragraphs', { text: { sequences: 'blank_lines' } }, 'a\nb\n\n\n\nc\r\nd', { records: 2, steps: 6 }],
    ['words of lines', { text: { sequences: 'lines', level: 'word' } }, 'one two\nthree\n', { steps: 3 }],
    ['bytes of lines', { text: { sequences: 'lines', level: 'byte' } }, 'é\nab\n', { steps: 4 }],
    [
      'texts of JSON Lines',
      jsonText,
      good({ text: 'a\nb' }) + good({ text: '😀' }),
      { records: 2, steps: 4 },
    ],
    [
      'names by label',
      conditional,
      good({ context: 'Greek', text: 'Adamos' }) + good({ text: 'Ito', context: 'Japanese' }),
      { records: 2, labels: 2 },
    ],
    [
      'names by vector',
      conditional,
      good({ context: [1, 2], text: 'a' }) + good({ context: [0, 1e-3], text: 'b' }),
      { labels: 0 },
    ],
    ['tags', labeling, `${pair}\n  \n${pair}`, { records: 2, labels: 1, steps: 4 }],
    [
      'numbers in and out',
      labeling,
      good({
        input: [
          [1, 2],
          [3, 4],
        ],
        output: [null, 5],
      }).repeat(2),
      { steps: 4 },
    ],
    [
      'texts by label',
      classification,
      good({ input: 'Ito', label: 'ja' }).repeat(2),
      { labels: 1, steps: 6 },
    ],
    [
      'rows by label',
      classification,
      good({
        input: [
          [0, 1],
          [1, 0],
        ],
        label: '7',
      }).repeat(2),
      { steps: 4 },
    ],
    ['columns', forecasting, series, { records: 1, steps: 7 }],
    [
      'a header and a column of dates',
      forecasting,
      `"Month","Passengers"\r\n${'"1949-01",112\r\n'.repeat(8)}`,
      { steps: 8 },
    ],
    [
      'quoted line breaks',
      { ...forecasting, series: { columns: ['b'] } },
      `a,b\n${'"x\ny",1\n'.repeat(8)}`,
      { steps: 8 },
    ],
    [
      'other delimiters',
      { ...forecasting, series: { delimiter: ';' } },
      series.replaceAll(',', ';'),
      { steps: 7 },
    ],
    ['one column', forecasting, '1\n2\n-3e2\n.5\n+6\n7.\n8\n', { steps: 7 }],
    ['steps of JSON Lines', forecasting, '[1, 2]\n'.repeat(7), { records: 1, steps: 7 }],
    [
      'series of JSON Lines',
      forecasting,
      good({ values: [[1], [2]] }) + good({ values: [1, 2, 3] }),
      { records: 2, steps: 5 },
    ],
    [
      'piano rolls',
      { task: 'forecasting', training: { ...short, loss: 'bernoulli' } },
      '[0, 1]\n'.repeat(7),
      { steps: 7 },
    ],
  ])('is accepted: %s', async (_, options, content, summary) => {
    expect(await check(options, content)).toMatchObject(summary);
  });

  it('is read where one endless text is validated on, and nowhere else', async () => {
    const text = new Uint8Array(40).fill(0x61).fill(0xff, 0, 1);
    expect(await check({}, text)).toBeNull();
    expect(await check({ training: noLimit }, new Uint8Array([0xff]))).toBeNull();
    expect(await refusal({}, text, 'a')).toMatchObject({ code: 'text_too_short', param: 'validation_file' });
  });
});
