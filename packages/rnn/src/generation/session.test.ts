import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  type Answered,
  complete,
  engines,
  lines,
  loadTiny,
  plain,
  trainTiny,
} from '../../test-support/completions.ts';
import type { LanguageModel } from '../language-model.ts';
import type { CompletionOptions } from './completion-options.ts';

const networks: [string, Parameters<typeof trainTiny>[0]][] = [
  ['an endless text', { model: { cell: 'lstm', num_layers: 2 } }],
  ['words', { text: { level: 'word' }, model: { cell: 'gru' } }],
  ['bytes', { text: { level: 'byte' }, model: { cell: 'gru' } }],
  ['an end symbol', { text: { sequences: 'lines' }, model: { cell: 'elman' } }],
  ['a coin', { text: { sequences: 'lines' }, model: { cell: 'gru', length: 'bernoulli' } }],
  [
    'a countdown',
    { text: { sequences: 'lines' }, model: { cell: 'lstm', length: 'countdown', max_length: 60 } },
  ],
  [
    'a countdown drawn once',
    {
      text: { sequences: 'lines' },
      model: { cell: 'lstm', length: 'countdown', max_length: 60, renew: false },
    },
  ],
  ['batch normalisation', { text: { sequences: 'lines' }, model: { cell: 'lstm', norm: 'batch' } }],
  ['no hidden recurrence', { model: { cell: 'elman', recurrence: 'output' } }],
];

const stateOf = ({ result }: Answered): Uint8Array => result.session!.state;

/** Goes on from a state, as another process would: from a copy of its bytes. */
const goOn = (
  model: LanguageModel,
  from: Uint8Array | null,
  options: Partial<CompletionOptions>,
): Promise<Answered> =>
  complete(model, { prompts: [''], ...options, session: { state: from && Uint8Array.from(from) } });

const trained = new Map<unknown, Promise<Uint8Array>>();
const trainOnce = (fields: Parameters<typeof trainTiny>[0]): Promise<Uint8Array> => {
  const known = trained.get(fields) ?? trainTiny(fields);
  trained.set(fields, known);
  return known;
};

describe.each(engines)('a session on %s', (_, createBackend) => {
  const models: LanguageModel[] = [];
  afterAll(() => Promise.all(models.map((model) => model.close())));

  test.each(networks)(
    'that stops and goes on writes what it would have written: %s',
    async (_name, fields) => {
      const weights = await trainOnce(fields);
      const [model, another] = await Promise.all([1, 2].map(() => loadTiny(weights, createBackend())));
      models.push(model!, another!);
      const options = { seed: 3, frequency_penalty: 0.3, presence_penalty: 0.2, temperature: 1.2 };
      for (const [prompt, lengths] of [
        ['the cat', [1, 2, 37, 5, 70]],
        ['', [40, 0, 1, 40]],
        [lines.slice(0, 200).replaceAll('\n', ' '), [3, 64, 33]],
      ] as const) {
        const total = lengths.reduce<number>((a, b) => a + b, 0);
        const whole = await complete(model!, { ...options, prompts: [prompt], max_tokens: total });
        let state: Uint8Array | null = null;
        let text = '';
        for (const [k, max_tokens] of lengths.entries()) {
          const part: Answered = await goOn(k % 2 ? another! : model!, state, {
            ...options,
            prompts: [k === 0 ? prompt : ''],
            max_tokens,
          });
          text += part.choices[0]!.text;
          state = stateOf(part);
          if (part.choices[0]!.finish_reason === 'stop') break;
        }
        // What is never completed is shown where nothing follows, but not in the middle of a session.
        expect(whole.choices[0]!.text.replace(/\uFFFD+$/, '')).toBe(text.replace(/\uFFFD+$/, ''));
      }
    },
  );
});

describe('a session', () => {
  const load = async (): Promise<LanguageModel> => loadTiny(await trainOnce(networks[0]![1]));

  test('costs the same after a long text: its state does not grow', async () => {
    const model = await load();
    const [short, long] = await Promise.all(
      [3, 2000].map((max_tokens) => goOn(model, null, { prompts: ['the'], max_tokens })),
    );
    expect(stateOf(long!).length - stateOf(short!).length).toBeLessThan(2000);
    expect(long!.result.session!.tokens).toBe(2003);
    await model.close();
  });

  test('reads what is added to it, as if it had been one prompt', async () => {
    const model = await load();
    const first = await goOn(model, null, { prompts: ['the cat '], max_tokens: 0 });
    const then = await goOn(model, stateOf(first), { prompts: ['sat on'], max_tokens: 20 });
    const whole = await complete(model, { prompts: ['the cat sat on'], max_tokens: 20 });
    expect(then.choices).toEqual(whole.choices);
    // One that was only opened is where a text begins.
    const opened = await goOn(model, null, { max_tokens: 0 });
    const begun = await goOn(model, stateOf(opened), { prompts: ['the cat sat on'], max_tokens: 20 });
    expect(begun.choices).toEqual(whole.choices);
    await model.close();
  });

  test('stands before a stop string that was matched, however long it was held back', async () => {
    const model = await load();
    const whole = (await complete(model, { max_tokens: 120, temperature: 2 })).choices[0]!.text;
    for (const [from, to] of [
      [3, 5],
      [50, 115],
      [0, 3],
    ] as const) {
      const stop = whole.slice(from, to);
      const at = whole.indexOf(stop);
      const stopped = await goOn(model, null, { max_tokens: 120, temperature: 2, stop: [stop] });
      expect(stopped.choices[0]!.text).toBe(whole.slice(0, at));
      const rest = await goOn(model, stateOf(stopped), { max_tokens: 120 - at, temperature: 2 });
      expect(rest.choices[0]!.text).toBe(whole.slice(at));
    }
    await model.close();
  });

  test('stands where its reader was when it went away, not where the model was', async () => {
    const model = await load();
    const whole = (await complete(model, { max_tokens: 200, temperature: 2 })).choices[0]!.text;
    for (const taken of [1, 40, 63, 97]) {
      let given = 0;
      let wake = (): void => {};
      const window = 64;
      const all = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const call = model.complete(
        { ...plain, max_tokens: 200, temperature: 2, session: { state: null } },
        () => {
          given++;
          if (given === Math.min(200, taken + window)) wake();
          else if (given <= taken) call.give(1);
        },
        { credit: window },
      );
      await all;
      call.cancel(taken);
      const { session } = await call.result;
      const rest = await goOn(model, session!.state, { max_tokens: 200 - taken, temperature: 2 });
      expect(rest.choices[0]!.text).toBe(whole.slice(taken));
    }
    await model.close();
  });

  test('is not begun by a call whose reader took nothing', async () => {
    const model = await load();
    const call = model.complete({ ...plain, session: { state: null } }, () => {});
    call.cancel(0);
    expect((await call.result).session).toBeNull();
    await model.close();
  });

  test('of another model is refused, and so are bytes that were changed', async () => {
    const model = await load();
    const other = await loadTiny(await trainTiny({ seed: 9, model: { cell: 'lstm', num_layers: 2 } }));
    const state = stateOf(await goOn(model, null, { max_tokens: 3 }));
    await expect(goOn(other, state, {})).rejects.toMatchObject({ code: 'invalid_value', param: 'session' });
    for (const bytes of [state.slice(0, -1), state.slice(1), state.with(4, 9), new Uint8Array()])
      await expect(goOn(model, bytes, {})).rejects.toMatchObject({ param: 'session' });
    await Promise.all([model.close(), other.close()]);
  });

  test('that stands where no text can be is refused, and harms nobody beside it', async () => {
    const model = await loadTiny(await trainOnce(networks[7]![1]), engines.at(-1)![1]());
    const state = stateOf(await goOn(model, null, { prompts: ['the'], max_tokens: 3 }));
    const length = Buffer.from(state).readUInt32LE(8);
    const header = JSON.parse(Buffer.from(state).toString('utf8', 12, 12 + length));
    const changed = (change: object): Uint8Array => {
      const text = Buffer.from(JSON.stringify({ ...header, ...change }));
      const prefix = Buffer.from(state.slice(0, 12));
      prefix.writeUInt32LE(text.length, 8);
      return Buffer.concat([prefix, text, state.slice(12 + length)]);
    };
    const beside = complete(model, { prompts: ['the cat'], max_tokens: 60 });
    const far = 2 ** 31 - 20;
    for (const change of [
      { position: 2 ** 31 },
      { position: far },
      { drawn: far },
      { ending: { draws: 0, time: 2 ** 40, remaining: null } },
      { ending: { draws: far, time: 0, remaining: null } },
    ])
      await expect(goOn(model, changed(change), { max_tokens: 30 })).rejects.toMatchObject({
        code: 'invalid_value',
        param: 'session',
      });
    await goOn(model, changed({ position: far }), { max_tokens: 5 });
    expect((await beside).choices[0]!.text).not.toBe('');
    await model.close();
  });

  test.each([
    ['a character, call by call', [0xe6, 0x97, 0xa5], ['', '', '日']],
    [
      'a character after one that was never completed',
      [0xe6, 0xe6, 0x97, 0xa5, 0x41],
      ['', '\uFFFD', '', '日', 'A'],
    ],
  ])('completes %s, and tells what each of its tokens was worth', async (_name, bytes, texts) => {
    const model = await loadTiny(await trainOnce(networks[2]![1]));
    let state: Uint8Array | null = null;
    for (const [k, byte] of bytes.entries()) {
      const part: Answered = await goOn(model, state, {
        max_tokens: 1,
        logprobs: 0,
        logit_bias: { [byte]: 100 },
      });
      const { text, logprobs } = part.choices[0]!;
      expect(text).toBe(texts[k]);
      expect(logprobs!.tokens).toEqual([
        byte < 0x80 ? String.fromCharCode(byte) : `<0x${byte.toString(16).toUpperCase()}>`,
      ]);
      state = stateOf(part);
    }
    await model.close();
  });

  test('that stops where a character was completed still has the bytes that came before the call', async () => {
    const model = await loadTiny(await trainOnce(networks[2]![1]));
    const force = (byte: number) => ({ max_tokens: 1, logit_bias: { [byte]: 100 } });
    const begun = stateOf(await goOn(model, null, force(0xc3)));
    const stopped = await goOn(model, begun, { ...force(0xa4), stop: ['ä'] });
    expect(stopped.choices[0]).toMatchObject({ text: '', finish_reason: 'stop' });
    const rest = await goOn(model, stateOf(stopped), force(0xa5));
    expect(rest.choices[0]!.text).toBe('å');
    await model.close();
  });

  test('goes on in a fresh process', { timeout: 30_000 }, async () => {
    const weights = await trainOnce(networks[5]![1]);
    const model = await loadTiny(weights);
    const options = { temperature: 1.2, logit_bias: null };
    const whole = await complete(model, { ...options, prompts: ['the'], max_tokens: 30 });
    const first = await goOn(model, null, { ...options, prompts: ['the'], max_tokens: 11 });
    const folder = mkdtempSync(join(tmpdir(), 'unfold-session-'));
    try {
      writeFileSync(join(folder, 'weights'), weights);
      writeFileSync(join(folder, 'state'), stateOf(first));
      writeFileSync(
        join(folder, 'go-on.mjs'),
        `import { readFileSync, writeFileSync } from 'node:fs';
        import { createReference, LanguageModel } from '${new URL('../../dist/index.js', import.meta.url)}';
        const model = await LanguageModel.load(readFileSync('weights'), createReference());
        let text = '';
        const options = { ...${JSON.stringify({ ...plain, ...options, max_tokens: 19 })}, session: { state: readFileSync('state') } };
        await model.complete(options, (chunk) => (text += chunk.text)).result;
        writeFileSync('text', text);`,
      );
      execFileSync(process.execPath, ['go-on.mjs'], { cwd: folder });
      const rest = readFileSync(join(folder, 'text'), 'utf8');
      expect(first.choices[0]!.text + rest).toBe(whole.choices[0]!.text);
    } finally {
      rmSync(folder, { recursive: true });
    }
    await model.close();
  });
});
