import { type TextOptions, UnfoldError } from '@unfold/contracts';
import { describe, expect, test } from 'vitest';
import { createTokenizer } from './create-tokenizer.ts';
import { lowerCase } from './lower-case.ts';
import { type Tokenizer, unknownToken } from './tokenizer.ts';
import { createUtf8Stream, firstInvalidUtf8 } from './utf8-stream.ts';
import { createVocabularyBuilder } from './vocabulary-builder.ts';
import { createWordSplitter, splitWords } from './word-splitter.ts';

const options = (fields: Partial<TextOptions>): TextOptions => ({
  level: 'char',
  sequences: 'whole',
  max_vocab: null,
  lowercase: false,
  ...fields,
});

const build = (text: string, fields: Partial<TextOptions> = {}): Tokenizer => {
  const builder = createVocabularyBuilder(options(fields));
  builder.push(text);
  return createTokenizer(builder.finish(), { lowercase: fields.lowercase ?? false });
};

const decode = (tokenizer: Tokenizer, ids: Iterable<number>): string => {
  const decoder = tokenizer.decoder();
  let text = '';
  for (const id of ids) text += decoder.push(id);
  return text + decoder.finish();
};

/** Every kind of trouble: astral characters, combining marks, right-to-left, joiners, unspaced scripts, line breaks. */
const troubled =
  'Don’t — “naïve” café, e\u0301; 𝔘𝔫𝔦 👩‍👩‍👧‍👦 שלום عالم\r\n\tสวัสดีครับ 漢字かなカナ well-known_x 3.14\u00a0ΑΣ ΟΔΟΣ\n\n  if (a) {b}';

/** Cuts a text at every UTF-16 unit and at some longer strides. */
const strides = [1, 2, 3, 7, 1000];
const chunks = (text: string, stride: number): string[] =>
  Array.from({ length: Math.ceil(text.length / stride) }, (_, k) => text.slice(k * stride, (k + 1) * stride));

describe.each(['char', 'word', 'byte'] as const)('a %s tokenizer', (level) => {
  test('gives back every text that its vocabulary covers', () => {
    const tokenizer = build(troubled, { level });
    expect(decode(tokenizer, tokenizer.encode(troubled))).toBe(troubled);
  });

  test.each(strides)('gives the same vocabulary and ids when chunks are cut every %i units', (stride) => {
    const long = troubled.repeat(30);
    const whole = build(long, { level });
    const builder = createVocabularyBuilder(options({ level }));
    for (const chunk of chunks(long, stride)) builder.push(chunk);
    expect(builder.finish()).toEqual(whole.toJSON());
    const encoder = whole.encoder();
    const ids = chunks(long, stride).flatMap((chunk) => [...encoder.push(chunk)]);
    expect([...ids, ...encoder.finish()]).toEqual([...whole.encode(long)]);
  });

  test('survives JSON', () => {
    const tokenizer = build(troubled, { level });
    const again = createTokenizer(JSON.parse(JSON.stringify(tokenizer)));
    expect(again.encode(troubled)).toEqual(tokenizer.encode(troubled));
  });

  test('encodes nothing to nothing', () => {
    expect(build(troubled, { level }).encode('')).toHaveLength(0);
  });
});

describe('characters', () => {
  test('are sorted by code point behind <unk>', () => {
    expect(build('cab\u{1F600}\uFF5E b').tokens).toEqual([
      unknownToken,
      ' ',
      'a',
      'b',
      'c',
      '\uFF5E',
      '\u{1F600}',
    ]);
  });

  test('outside the vocabulary become <unk>', () => {
    const tokenizer = build('abc');
    expect([...tokenizer.encode('axb\u{1F600}\ud800')]).toEqual([1, 0, 2, 0, 0]);
  });

  test('keep the most frequent within max_vocab, <unk> counted', () => {
    expect(build('aaabbbccd', { max_vocab: 3 }).tokens).toEqual([unknownToken, 'a', 'b']);
  });

  test('are folded by code point, whatever stands beside them', () => {
    expect(lowerCase('ΟΔΟΣ ΑΣ İ ẞ A')).toBe('οδοσ ασ i̇ ß a');
    expect(build('AaBb', { lowercase: true }).tokens).toEqual([unknownToken, 'a', 'b']);
    expect([...build('ab', { lowercase: true }).encode('AB')]).toEqual([1, 2]);
  });
});

describe('words', () => {
  test('keep inner apostrophes and hyphens, and the space before them', () => {
    expect(splitWords('Hello, world! I don’t know (really) well-known.\n\n  x')).toEqual([
      'Hello',
      ',',
      ' world',
      '!',
      ' I',
      ' don’t',
      ' know',
      ' (',
      'really',
      ')',
      ' well-known',
      '.',
      '\n',
      '\n',
      ' ',
      ' x',
    ]);
  });

  test('of scripts without spaces are single letters', () => {
    expect(splitWords('漢字 かな')).toEqual(['漢', '字', ' か', 'な']);
  });

  test('come by frequency, then by code point', () => {
    expect(build('b a b c a b', { level: 'word' }).tokens).toEqual([unknownToken, ' a', ' b', ' c', 'b']);
  });

  test('keep the most frequent within max_vocab, and read the others as <unk>', () => {
    const tokenizer = build(' a a a b b c', { level: 'word', max_vocab: 3 });
    expect(tokenizer.tokens).toEqual([unknownToken, ' a', ' b']);
    expect([...tokenizer.encode(' a c b <unk>')]).toEqual([1, 0, 2, 0, 0, 0]);
  });

  test('never grow with a text that has no spaces', () => {
    const splitter = createWordSplitter();
    const words = [...splitter.push('a'.repeat(100_000)), ...splitter.finish()];
    expect(words.join('')).toHaveLength(100_000);
    expect(Math.max(...words.map((word) => word.length))).toBeLessThanOrEqual(48);
  });
});

describe('bytes', () => {
  const tokenizer = createTokenizer({ level: 'byte', tokens: [...build('', { level: 'byte' }).tokens] });

  test('are decoded as soon as a character is whole', () => {
    const decoder = tokenizer.decoder();
    expect([0xe2, 0x82, 0xac, 0x41].map((byte) => decoder.push(byte))).toEqual(['', '', '€', 'A']);
  });

  test.each([
    [[0x61, 0xff, 0x62], 'a\uFFFDb'],
    [[0xe2, 0x82, 0x41], '\uFFFDA'],
    [[0xc0, 0x80], '\uFFFD\uFFFD'],
    [[0xf0, 0x9f], '\uFFFD'],
    [[0xef, 0xbb, 0xbf, 0x61], '\uFEFFa'],
  ])('decode %j to %j', (bytes, text) => {
    expect(decode(tokenizer, bytes)).toBe(text);
  });

  test('have 256 names that differ', () => {
    expect(new Set(tokenizer.tokens).size).toBe(256);
  });
});

describe('a tokenizer from outside', () => {
  test.each([
    [null, /object/],
    [{ level: 'char' }, /list/],
    [{ level: 'char', tokens: ['ab'] }, /single characters/],
    [{ level: 'char', tokens: ['a', 'a'] }, /differ/],
    [{ level: 'word', tokens: [''] }, /not empty/],
    [{ level: 'byte', tokens: ['a'] }, /256/],
    [{ level: 'syllable', tokens: ['a'] }, /level/],
  ])('is refused if it is %j', (data, message) => {
    expect(() => createTokenizer(data)).toThrow(message);
    expect(() => createTokenizer(data)).toThrow(UnfoldError);
  });

  test('without <unk> refuses a text that it cannot read', () => {
    expect(() => createTokenizer({ level: 'char', tokens: ['a'] }).encode('ab')).toThrow(/"b"/);
  });
});

describe('UTF-8', () => {
  const read = (bytes: Uint8Array, stride: number): string => {
    const stream = createUtf8Stream();
    let text = '';
    for (let at = 0; at < bytes.length; at += stride) text += stream.push(bytes.subarray(at, at + stride));
    stream.finish();
    return text;
  };

  test.each(strides)('is read whole when chunks are cut every %i bytes', (stride) => {
    expect(read(Buffer.from(troubled), stride)).toBe(troubled);
  });

  test.each(strides)('drops a byte order mark only at the beginning, cut every %i bytes', (stride) => {
    expect(read(Buffer.from('\uFEFFa\uFEFFb'), stride)).toBe('a\uFEFFb');
  });

  test.each([
    [[0x61, 0x80], 1],
    [[0xc3, 0xa9, 0xc0, 0xaf], 2],
    [[0x61, 0xe0, 0x9f, 0x80], 1],
    [[0x61, 0xed, 0xa0, 0x80], 1],
    [[0xf4, 0x90, 0x80, 0x80], 0],
    [[0x61, 0x62, 0xe2, 0x82], 2],
    [[0x61, 0xf0, 0x9f, 0x98, 0x41], 1],
    [[0xff], 0],
  ])('in %j is refused at offset %i, however it is cut', (bytes, offset) => {
    expect(firstInvalidUtf8(Uint8Array.from(bytes))).toBe(offset);
    for (const stride of strides)
      expect(() => read(Uint8Array.from(bytes), stride)).toThrow(new RegExp(`byte offset ${offset}\\.`));
  });
});
