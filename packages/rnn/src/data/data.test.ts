import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { logsOf, record, scratchFolder, sentence, textFile, tinySpec } from '../../test-support/runs.ts';
import { planTraining, planValidation, windowSteps } from './batch-plan.ts';
import { BatchReader } from './batch-reader.ts';
import { prepareTokenFile, type TokenFileRequest } from './token-file.ts';

const request = (data: string, fields: Partial<TokenFileRequest> = {}): TokenFileRequest => ({
  data,
  validation: null,
  text: tinySpec().text,
  validationFraction: 0.1,
  scratch: scratchFolder(),
  ...fields,
});

const prepared = async (data: string, fields: Partial<TokenFileRequest> = {}) =>
  (await prepareTokenFile(request(data, fields)))!;

describe('the token file', () => {
  test.each([
    ['char', 'abcabcab€€', 0.4],
    ['word', 'one two three four five six seven', 0.5],
    ['byte', 'abcabcab€€', 0.3],
  ] as const)('holds training part and tail in order: %s', async (level, text, validationFraction) => {
    const file = await prepared(textFile(text), {
      text: { ...tinySpec().text, level },
      validationFraction,
    });
    const ids = readFileSync(file.path);
    expect(file.width).toBe(1);
    expect(ids.length).toBe(file.trainingTokens + file.validationTokens);
    expect(file.validationTokens).toBeGreaterThan(0);
    const decoder = file.tokenizer.decoder();
    const back = [...ids].map((id) => decoder.push(id)).join('');
    const known = level === 'byte' ? text : back;
    expect(back).toBe(known);
    if (level === 'word') expect(back.startsWith('one two three')).toBe(true);
  });

  test('takes its vocabulary from the training part only', async () => {
    const file = await prepared(textFile('aaaaaaaaab'));
    expect(file.tokenizer.tokens).toEqual(['<unk>', 'a']);
    expect([...readFileSync(file.path)]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
  });

  test('never cuts a character at the border of the validation part', async () => {
    for (let fraction = 0.05; fraction < 0.9; fraction += 0.05) {
      const file = await prepared(textFile('€漢𝔘é'.repeat(5)), { validationFraction: fraction });
      expect(file.trainingTokens + file.validationTokens).toBe(20);
    }
  });

  test('uses two bytes for an id where one is too few', async () => {
    const text = String.fromCodePoint(...Array.from({ length: 400 }, (_, k) => 0x4e00 + k));
    const file = await prepared(textFile(text), { validationFraction: 0 });
    expect(file.width).toBe(2);
    const ids = new Uint16Array(new Uint8Array(readFileSync(file.path)).buffer);
    expect([...ids]).toEqual(Array.from({ length: 400 }, (_, k) => k + 1));
  });

  test('is used again only if it is complete and was made from the same file and options', async () => {
    const data = textFile(sentence);
    const scratch = scratchFolder();
    const first = await prepared(data, { scratch });
    const { ino } = statSync(first.path);
    await prepared(data, { scratch });
    expect(statSync(first.path).ino).toBe(ino);

    truncateSync(first.path, 10);
    await prepared(data, { scratch });
    expect(statSync(first.path).size).toBe(sentence.length);
    const other = await prepared(data, { scratch, text: { ...tinySpec().text, lowercase: true } });
    expect(other.tokenizer.encode('THE')).toEqual(first.tokenizer.encode('the'));
    appendFileSync(data, 'more text');
    expect((await prepared(data, { scratch })).trainingTokens).toBeGreaterThan(first.trainingTokens);
    writeFileSync(join(scratch, 'tokens.json'), '{"key":');
    expect((await prepared(data, { scratch })).trainingTokens).toBeGreaterThan(first.trainingTokens);
  });

  test('gives up when it is interrupted, leaving nothing behind', async () => {
    const scratch = scratchFolder();
    expect(
      await prepareTokenFile(request(textFile(sentence), { scratch, interrupted: () => true })),
    ).toBeNull();
    const run = await record({ spec: tinySpec(), control: () => 'stop' });
    expect(run).toEqual({ events: [], outcome: { type: 'stopped', step: 0 } });
  });
});

describe('data that cannot be trained on', () => {
  test.each([
    ['an empty file', '', 'empty_file', /empty/],
    ['a file that is not UTF-8', Buffer.from([0x61, 0x62, 0xff, 0x63]), 'invalid_utf8', /byte offset 2\./],
    [
      'invalid bytes in the validation part',
      Buffer.from(`${'a'.repeat(99)}\xff`, 'latin1'),
      'invalid_utf8',
      /offset 99/,
    ],
    ['a text shorter than one window', 'abcd', 'text_too_short', /at least 6 tokens.*it has 3/],
  ])('is refused: %s', async (_, content, code, message) => {
    const run = record({ spec: tinySpec(), data: textFile(content) });
    await expect(run).rejects.toMatchObject({ code, param: 'file', message: expect.stringMatching(message) });
  });

  test('is refused: a validation part without a target', async () => {
    const tooShort = { code: 'text_too_short' };
    const spec = tinySpec({ training: { validation_fraction: 0.1 } });
    await expect(record({ spec, data: textFile('abcdefgh') })).rejects.toMatchObject({
      ...tooShort,
      param: 'training.validation_fraction',
    });
    await expect(record({ spec, validation: textFile('a') })).rejects.toMatchObject({
      ...tooShort,
      param: 'validation_file',
    });
  });

  test('is refused: a file that is gone', async () => {
    await expect(record({ spec: tinySpec(), data: '/nowhere/text' })).rejects.toMatchObject({
      code: 'data_missing',
    });
  });

  test('is refused: a vocabulary too large for the header of a weights file', async () => {
    const words = Array.from({ length: 30_000 }, (_, k) => `${'w'.repeat(40)}${k}`).join(' ');
    const spec = tinySpec({ text: { level: 'word', max_vocab: 40_000 } });
    await expect(record({ spec, data: textFile(words) })).rejects.toMatchObject({
      code: 'limit_exceeded',
      param: 'text.max_vocab',
    });
  });

  test('of any bytes is taken at the byte level', async () => {
    const data = textFile(Uint8Array.from({ length: 300 }, (_, k) => (k * 7) % 256));
    const spec = tinySpec({ text: { level: 'byte' }, training: { epochs: 1 } });
    expect((await record({ spec, data })).outcome.type).toBe('completed');
  });
});

describe('windows', () => {
  test('lay a text out in contiguous lanes, every target the token after its input', async () => {
    const text = Array.from({ length: 103 }, (_, k) => String.fromCodePoint(0x100 + k)).join('');
    const file = await prepared(textFile(text), { validationFraction: 0 });
    const plan = planTraining(file.trainingTokens, 4, 5);
    expect(plan).toMatchObject({ lanes: 4, laneSteps: 25, windows: 5 });
    const reader = new BatchReader(file, plan);
    const inputs = new Int32Array(20);
    const targets = new Int32Array(20);
    for (let window = 0; window < plan.windows; window++) {
      expect(reader.load(window, inputs, targets)).toBe(5);
      for (let t = 0; t < 5; t++)
        for (let lane = 0; lane < 4; lane++) {
          expect(inputs[t * 4 + lane]).toBe(1 + lane * 25 + window * 5 + t);
          expect(targets[t * 4 + lane]).toBe(2 + lane * 25 + window * 5 + t);
        }
    }
    reader.close();
  });

  test('of the validation part reach its end, the last one shorter', () => {
    const plan = planValidation(100, 24, 2, 5, 'validation_file');
    expect(plan).toEqual({ first: 100, lanes: 2, laneSteps: 11, sequenceLength: 5, windows: 3 });
    expect([0, 1, 2].map((window) => windowSteps(plan, window))).toEqual([5, 5, 1]);
  });

  test('fewer than lanes make fewer lanes, and a warning', async () => {
    expect(planTraining(16, 64, 5)).toMatchObject({ lanes: 3, windows: 1 });
    expect(planTraining(6, 64, 5)).toMatchObject({ lanes: 1, windows: 1 });
    const run = await record({
      spec: tinySpec({ training: { batch_size: 64, epochs: 1 } }),
      data: textFile(sentence),
    });
    expect(logsOf(run).join()).toMatch(/only 13 windows.*instead of 64/);
  });
});

test('memory does not grow with the file: 50 MB take no more than 5 MB, within 24 MB', () => {
  const rnn = pathToFileURL(join(import.meta.dirname, '../../dist')).href;
  const script = `
    import { prepareTokenFile } from '${rnn}/data/token-file.js';
    import { planTraining } from '${rnn}/data/batch-plan.js';
    import { BatchReader } from '${rnn}/data/batch-reader.js';
    const [data, scratch] = process.argv.slice(1);
    const text = { level: 'char', sequences: 'whole', max_vocab: null, lowercase: false };
    let peak = 0;
    const look = () => { peak = Math.max(peak, process.memoryUsage.rss()); return false; };
    const file = await prepareTokenFile({ data, validation: null, text, validationFraction: 0.1, scratch, interrupted: look });
    const plan = planTraining(file.trainingTokens, 64, 64);
    const reader = new BatchReader(file, plan);
    const inputs = new Int32Array(4096), targets = new Int32Array(4096);
    for (let window = 0; window < plan.windows; window++) { reader.load(window, inputs, targets); look(); }
    console.log(peak);`;
  const peakBytes = (megabytes: number): number => {
    const data = textFile(Buffer.alloc(megabytes * 1_000_000, `${sentence}naïve €\n`));
    const node = ['--max-semi-space-size=2', '--input-type=module', '-e', script, data, scratchFolder()];
    return Number(execFileSync(process.execPath, node, { encoding: 'utf8' }));
  };
  // Both are larger than every buffer, so that only growth with the size would tell them apart.
  const small = peakBytes(5);
  const large = peakBytes(50);
  expect(large - small).toBeLessThan(24_000_000);
});
