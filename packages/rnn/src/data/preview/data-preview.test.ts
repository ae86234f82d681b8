import { jobSpec, parseRequest } from '@unfold/contracts';
import { describe, expect, test } from 'vitest';
import { textFile } from '../../../test-support/runs.ts';
import { type DataPreview, previewData } from './data-preview.ts';

const preview = (options: object, content: string | Uint8Array): Promise<DataPreview> =>
  previewData(parseRequest(jobSpec, { file: `file-${'0'.repeat(26)}`, ...options }), textFile(content));

const json = (records: object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');

describe('what a file becomes', () => {
  test('characters of an endless text, those that are left out as <unk>', async () => {
    const found = await preview({ text: { lowercase: true, max_vocab: 4 } }, 'Aab bac\nabd');
    expect(found).toMatchObject({ kind: 'text', sequences: 1, tokens: 11, vectors: null, labels: null });
    expect(found.vocabulary).toEqual({
      size: 4,
      frequent: [
        { token: 'a', count: 4 },
        { token: 'b', count: 3 },
        { token: '<unk>', count: 3 },
        { token: '\n', count: 1 },
      ],
    });
    expect(found.examples[0]!.input.join('')).toBe('aab<unk>ba<unk>\nab<unk>');
  });

  test('words of an endless text', async () => {
    const found = await preview({ text: { level: 'word' } }, 'the cat, the mat');
    expect(found.examples[0]!.input).toEqual(['the', ' cat', ',', ' the', ' mat']);
    expect(found.vocabulary!.size).toBe(6);
  });

  test('bytes, whatever they are', async () => {
    const found = await preview({ text: { level: 'byte' } }, Uint8Array.of(65, 255, 66));
    expect(found).toMatchObject({ tokens: 3, vocabulary: { size: 256 } });
    expect(found.examples[0]!.input).toEqual(['A', '<0xFF>', 'B']);
  });

  test('lines, each a sequence', async () => {
    const found = await preview({ text: { sequences: 'lines' } }, 'one\n\nthree\n');
    expect(found).toMatchObject({ kind: 'records', sequences: 2, tokens: 8, shortest: 3, longest: 5 });
    expect(found.examples).toEqual([
      { line: 1, input: ['o', 'n', 'e'], output: null, context: null, steps: 3 },
      { line: 3, input: ['t', 'h', 'r', 'e', 'e'], output: null, context: null, steps: 5 },
    ]);
  });

  test('records of labels, of tags, with contexts, and series', async () => {
    const classified = await preview(
      { task: 'classification' },
      json([
        { input: 'ab', label: 'x' },
        { input: 'b', label: 'y' },
        { input: 'c', label: 'y' },
      ]),
    );
    expect(classified.labels).toEqual({
      size: 2,
      frequent: [
        { token: 'y', count: 2 },
        { token: 'x', count: 1 },
      ],
    });
    expect(classified.examples[0]).toMatchObject({ input: ['a', 'b'], output: 'x' });

    const labeled = await preview(
      { task: 'sequence_labeling' },
      json([{ input: ['the', 'cat'], output: [null, 'N'] }]),
    );
    expect(labeled.examples[0]).toMatchObject({ input: ['the', 'cat'], output: [null, 'N'], steps: 2 });
    expect(labeled.labels!.frequent).toEqual([{ token: 'N', count: 1 }]);

    const conditional = await preview(
      { task: 'conditional_generation' },
      json([{ context: [1, 2.5], text: 'ab' }]),
    );
    expect(conditional.examples[0]).toMatchObject({ context: [1, 2.5], input: ['a', 'b'] });
    expect(conditional.labels).toBeNull();

    const series = await preview({ task: 'forecasting' }, 'hour,load\n1,10\n2,20\n3,30\n');
    expect(series).toMatchObject({ kind: 'series', tokens: 3, vocabulary: null });
    expect(series.vectors).toMatchObject({
      width: 2,
      names: ['hour', 'load'],
      normalization: { mean: [2, 20] },
    });
    expect(series.examples[0]!.input[1]).toEqual([2, 20]);
  });
});

test('of a large file the beginning is read, without cutting a line or a character', async () => {
  const lines = 'ä line of forty characters, more or less\n';
  const text = lines.repeat(20_000);
  for (const [options, most] of [
    [{}, 1 << 19],
    [{ text: { sequences: 'lines' } }, 1 << 18],
  ] as const) {
    const found = await preview(options, text);
    const size = Buffer.byteLength(lines);
    expect(found).toMatchObject({
      file_bytes: 20_000 * size,
      read_bytes: Math.floor(most / size) * size,
    });
  }
  const unbroken = await preview({}, 'ä'.repeat(300_000).replace('ä', 'a'));
  expect(unbroken.read_bytes).toBe((1 << 19) - 1);
  expect(unbroken.tokens).toBe(1 << 18);
});

test('data that does not fit is refused with its line', async () => {
  await expect(preview({ task: 'classification' }, '{"input": "a"}\n')).rejects.toMatchObject({
    code: 'invalid_data',
    param: 'file',
    message: expect.stringContaining('line 1'),
  });
  await expect(preview({ task: 'forecasting' }, '1\ntwo\n')).rejects.toMatchObject({ param: 'file' });
});
