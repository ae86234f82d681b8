import { describe, expect, test } from 'vitest';
import { scratchFolder, textFile, tinySpec } from '../../test-support/runs.ts';
import { fewestTokens } from './fewest-tokens.ts';
import { prepareTokenFile } from './token-file.ts';

const run = 'x'.repeat(48);
const longest = ` ${[run, run, run, run].join("'")}`;

const texts = {
  'the longest words that there are': longest.repeat(6),
  'one of them among short ones': `a b c d e f g${longest} h i j`,
  'words of four bytes a character': ` ${'𐐀'.repeat(48)}`.repeat(8),
  'hardly any space': `${'long'.repeat(400)} end`,
  'characters of one byte, then of three': `${'a'.repeat(50)}${'€'.repeat(50)}`,
  'characters of three bytes, then of one': `${'€'.repeat(50)}${'a'.repeat(50)}`,
  'no more than a few letters': 'abc d',
};

const sizeOf = (text: string) => ({ bytes: Buffer.byteLength(text), characters: [...text].length });

describe('what a text surely has', () => {
  test.each(Object.entries(texts))('is never more than it has: %s', async (_, content) => {
    for (const level of ['char', 'word', 'byte'] as const)
      for (const validationFraction of [0, 0.1, 0.5, 0.9]) {
        const text = { ...tinySpec().text, level };
        const request = { text, validationFraction, validation: null };
        const { training, validation } = fewestTokens({ ...request, data: sizeOf(content) });
        const file = await prepareTokenFile({
          ...request,
          data: textFile(content),
          scratch: scratchFolder(),
        });
        expect([level, training <= file!.trainingTokens]).toEqual([level, true]);
        expect([level, validation <= file!.validationTokens]).toEqual([level, true]);
      }
  });

  test('is what it has of bytes, of plain characters, and of the longest words', () => {
    const text = (level: 'char' | 'word' | 'byte') => ({
      ...{ text: { ...tinySpec().text, level }, validationFraction: 0.25, validation: null },
      data: sizeOf(longest.repeat(8)),
    });
    const bytes = 8 * longest.length;
    expect(fewestTokens(text('byte'))).toEqual({ training: 0.75 * bytes, validation: 0.25 * bytes });
    expect(fewestTokens(text('char')).training).toBe(0.75 * bytes);
    expect(fewestTokens(text('word')).training).toBe(6);
    const own = fewestTokens({ ...text('word'), validation: { bytes: 9, characters: 9 } });
    expect(own).toEqual({ training: 8, validation: 1 });
  });
});
