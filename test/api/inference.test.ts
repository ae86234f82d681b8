import type { Worker } from 'node:worker_threads';
import { activationsResource, completionResource, scoreResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { type Api, append, claim, expectError, startApi, submit } from './support.ts';
import { publish, type Trained, trainModel, trainWeights, writeDirectly } from './trained-model.ts';

let api: Api;
let trained: Trained;
let id: string;

beforeAll(async () => {
  trained = await trainModel();
  api = await startApi({ limits: { inferenceQueue: 4 } });
  id = (await publish(api, trained, 'cats')).id;
});
afterAll(async () => api.stop());

const complete = (body: object) => api.request.post('/v1/completions').send({ model: 'cats', ...body });

const events = (text: string): string[] =>
  text
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => block.slice(6));

const stream = (body: object, signal: AbortSignal | null = null) =>
  fetch(`${api.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'cats', stream: true, ...body }),
    signal,
  });

const running = async (): Promise<number> => {
  const { body } = await api.app.inject('/metrics');
  return Number(/^unfold_inference_running (\d+)$/m.exec(body)?.[1]);
};

describe('POST /v1/completions', () => {
  const options = { prompt: 'the cat', max_tokens: 40, temperature: 0.8, top_k: 5, top_p: 0.9, seed: 7 };

  it('writes what the model itself writes, by id and by name, and counts the tokens', async () => {
    const expected = await writeDirectly(trained.model, options);
    for (const model of ['cats', id]) {
      const answer = await complete({ ...options, model });
      expect(answer.status).toBe(200);
      const body = completionResource.parse(answer.body);
      expect(body).toMatchObject({ object: 'text_completion', model: id });
      expect(body.choices).toEqual([{ index: 0, text: expected, logprobs: null, finish_reason: 'length' }]);
      expect(body.usage).toEqual({
        prompt_tokens: 7,
        completion_tokens: 40,
        total_tokens: 47,
        prompt_tokens_details: { cached_tokens: expect.any(Number) },
      });
    }
  });

  it('streams the same text as events, the finish reason in the last, then [DONE]', async () => {
    const answer = await stream(options);
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    const received = events(await answer.text());
    expect(received.at(-1)).toBe('[DONE]');
    const chunks = received.slice(0, -1).map((data) => completionResource.parse(JSON.parse(data)));
    expect(chunks.map(({ choices }) => choices[0]?.text).join('')).toBe(
      await writeDirectly(trained.model, options),
    );
    expect(chunks.map(({ choices }) => choices[0]?.finish_reason).filter(Boolean)).toEqual(['length']);
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
  });

  it('sends the usage last, without choices, when asked to', async () => {
    const asked = { ...options, stream_options: { include_usage: true } };
    const received = events(await (await stream(asked)).text());
    expect(received.at(-1)).toBe('[DONE]');
    const chunks = received.slice(0, -1).map((data) => completionResource.parse(JSON.parse(data)));
    const last = chunks.pop();
    expect(last).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 7, completion_tokens: 40, total_tokens: 47 },
    });
    expect(chunks.every(({ usage, choices }) => usage === null && choices.length === 1)).toBe(true);
    for (const stream_options of [null, {}, { include_usage: false }, { include_usage: null }]) {
      const without = events(await (await stream({ ...options, stream_options })).text());
      expect(without.join()).not.toContain('usage');
    }
  });

  it('takes OpenAI’s parameters where they ask for nothing, and null for a default', async () => {
    const nothing = {
      n: 1,
      best_of: 1,
      echo: false,
      logprobs: null,
      frequency_penalty: 0,
      presence_penalty: 0,
      logit_bias: {},
      suffix: null,
      stream_options: null,
    };
    const expected = await writeDirectly(trained.model, options);
    expect((await complete({ ...options, ...nothing })).body.choices[0].text).toBe(expected);
    const nulls = Object.fromEntries(
      [...Object.keys(nothing), 'prompt', 'max_tokens', 'temperature', 'top_p', 'top_k']
        .concat('stop', 'seed', 'stream', 'user')
        .map((name) => [name, null]),
    );
    const answer = await complete(nulls);
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    expect(answer.body.usage).toMatchObject({ prompt_tokens: 0, completion_tokens: 256 });
  });

  it('ends before a stop string and says so', async () => {
    const answer = await complete({
      prompt: 'the',
      max_tokens: 400,
      temperature: 1,
      seed: 3,
      stop: [' ', '\n'],
    });
    expect(answer.body.choices[0]).toMatchObject({ finish_reason: 'stop' });
    expect(answer.body.choices[0].text).not.toMatch(/[ \n]/);
  });

  it('refuses what it does not know or cannot do, by name', async () => {
    expectError(await complete({ model: 'dogs' }), 404, 'not_found', 'model');
    expectError(await complete({ max_tokens: -1 }), 400, 'invalid_value', 'max_tokens');
    expectError(await complete({ colour: 'red' }), 400, 'unknown_field', 'colour');
    expectError(await complete({ prompt: 'a\u0000' }), 400, 'invalid_value', 'prompt');
    expectError(
      await api.request.post('/v1/completions').send({ prompt: 'x' }),
      400,
      'missing_field',
      'model',
    );
  });

  it('takes a checkpoint for a model', async () => {
    const job = await submit(api);
    const owner = await claim(api, job.id);
    const file = await api.store.artifacts.write(`jobs/${job.id}/1.safetensors`, trained.checkpoint);
    const recorded = await api.store.checkpoints.record(owner, {
      ...file,
      step: 12,
      validation_loss: null,
      best: false,
      last: true,
    });
    const answer = await complete({ ...options, model: recorded?.id });
    expect(answer.body.choices[0].text).toBe(await writeDirectly(trained.model, options));
    const weights = await fetch(`${api.url}/v1/models/${recorded?.id}/weights`);
    expect(Buffer.from(await weights.arrayBuffer()).equals(trained.weights)).toBe(true);
    await append(api, owner, []);
  });

  it('lets a short call finish while long ones go on', async () => {
    const abort = new AbortController();
    const long = await Promise.all([1, 2].map(() => stream({ max_tokens: 100_000 }, abort.signal)));
    const readers = long.map((answer) => answer.text().catch(() => 'aborted'));
    const short = await complete({ max_tokens: 5 });
    expect(short.status).toBe(200);
    expect(await running()).toBe(2);
    abort.abort();
    expect(await Promise.all(readers)).toEqual(['aborted', 'aborted']);
    await waitFor('the abandoned calls to end', async () => (await running()) === 0);
  });

  it('stops generating when the client of a plain call goes away', async () => {
    const abort = new AbortController();
    const call = fetch(`${api.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'cats', max_tokens: 100_000 }),
      signal: abort.signal,
    }).catch(() => null);
    await waitFor('the call to run', async () => (await running()) === 1);
    abort.abort();
    await call;
    await waitFor('the call to end', async () => (await running()) === 0);
  });

  it('holds back the tokens of a client that does not read', async () => {
    const abort = new AbortController();
    const answer = await stream({ max_tokens: 100_000 }, abort.signal);
    expect(answer.status).toBe(200);
    const other = await complete({ max_tokens: 50 });
    expect(other.status).toBe(200);
    abort.abort();
    await waitFor('the call to end', async () => (await running()) === 0);
  });

  it.each([
    ['logprobs', { prompt: 'abcd'.repeat(3000), echo: true, logprobs: 5, max_tokens: 0, n: 20 }],
    ['n', { prompt: 'abcd'.repeat(750), echo: true, logprobs: 5, max_tokens: 0, n: 128 }],
    ['n', { max_tokens: 100_000, n: 3 }],
    ['best_of', { max_tokens: 100_000, best_of: 3 }],
    ['beam_width', { max_tokens: 100_000, beam_width: 3 }],
    ['logprobs', { max_tokens: 100_000, logprobs: 5 }],
    ['max_tokens', { prompt: ['a', 'b', 'c'], max_tokens: 100_000 }],
    ['n', { prompt: '€'.repeat(1000), echo: true, max_tokens: 0, n: 128, stream: true }],
  ])('refuses an answer that is too large to be held, for its %s: %#', async (param, body) => {
    expectError(await complete(body), 422, 'limit_exceeded', param);
  });

  it('says that the server restarts to every call that this breaks off', async () => {
    const other = await api.another();
    const ask = (body: object) =>
      fetch(`${other.url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'cats', max_tokens: 100_000, ...body }),
      });
    const [one, two] = await Promise.all(
      [1, 2].map(async () => (await api.request.post('/v1/sessions').send({ model: 'cats' })).body.id),
    );
    const streams = await Promise.all([ask({ stream: true }), ask({ stream: true, session: one })]);
    const whole = [ask({}), ask({ session: two })];
    await waitFor('all of them to run', async () =>
      (await other.app.inject('/metrics')).body.includes('unfold_inference_running 4'),
    );
    await Promise.all([
      other.app.close(),
      ...streams.map(async (answer) => {
        const last = events(await answer.text()).at(-1)!;
        expect(JSON.parse(last).error.message).toMatch('The server is restarting');
      }),
      ...whole.map(async (answer) => {
        expect(await (await answer).text()).toContain('The server is restarting');
      }),
    ]);
  });

  it('streams what is too large to be held', async () => {
    const abort = new AbortController();
    const answer = await stream({ max_tokens: 100_000, n: 3, logprobs: 5 }, abort.signal);
    expect(answer.status).toBe(200);
    abort.abort();
    await waitFor('the call to end', async () => (await running()) === 0);
  });

  it('answers 429 overloaded beyond the limit of calls', async () => {
    const abort = new AbortController();
    const calls = await Promise.all([1, 2, 3, 4].map(() => stream({ max_tokens: 100_000 }, abort.signal)));
    expect(calls.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const refused = await complete({ max_tokens: 1 });
    expectError(refused, 429, 'overloaded');
    expect(refused.headers['retry-after']).toBe('1');
    abort.abort();
    await waitFor('the calls to end', async () => (await running()) === 0);
  });

  it('lets a deleted model finish its streams', async () => {
    const gone = await publish(api, trained, 'gone');
    const answer = await stream({ ...options, model: 'gone', max_tokens: 300 });
    const reader = answer.body!.getReader();
    await reader.read();
    expect((await api.request.delete(`/v1/models/${gone.id}`)).status).toBe(200);
    let text = '';
    const decoder = new TextDecoder();
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += decoder.decode(part.value);
    expect(events(text).at(-1)).toBe('[DONE]');
    expectError(await complete({ model: 'gone' }), 404, 'not_found', 'model');
  });

  it('refuses a file that is not what was written', async () => {
    const other = await trainModel({ seed: 5 });
    const damaged = await publish(api, other, 'damaged');
    const { path } = await api.store.models.locate('default', damaged.id);
    await api.store.artifacts.write(
      path,
      other.weights.map((byte, index) => (index === 5000 ? byte ^ 1 : byte)),
    );
    expectError(await complete({ model: 'damaged' }), 500, 'artifact_corrupt');
  });
});

describe('inference threads', () => {
  it('write one busy model on two cores, the same text on each', async () => {
    const two = await startApi({ config: { inferenceThreads: 2 } });
    try {
      await publish(two, trained, 'cats');
      const expected = await writeDirectly(trained.model, { prompt: 'the', max_tokens: 60, seed: 2 });
      const answers = await Promise.all(
        Array.from({ length: 40 }, () =>
          two.request.post('/v1/completions').send({ model: 'cats', prompt: 'the', max_tokens: 60, seed: 2 }),
        ),
      );
      expect(new Set(answers.map(({ body }) => body.choices[0].text))).toEqual(new Set([expected]));
    } finally {
      await two.stop();
    }
  });
});

describe('POST /v1/models/:id/score', () => {
  it('gives the log-probabilities of the model itself, the first token’s being null', async () => {
    const texts = ['the cat sat', 'a', 'on the mat'];
    const answer = await api.request.post('/v1/models/cats/score').send({ input: texts });
    expect(answer.status).toBe(200);
    const { data } = scoreResource.parse(answer.body);
    expect(data).toEqual(await Promise.all(texts.map((text) => trained.model.score(text))));
    expect(data.map(({ log_probabilities }) => log_probabilities[0])).toEqual([null, null, null]);
    const single = await api.request.post('/v1/models/cats/score').send({ input: texts[0] });
    expect(single.body.data).toEqual([data[0]]);
  });

  it('refuses empty input and unknown models', async () => {
    const post = (model: string, body: object) => api.request.post(`/v1/models/${model}/score`).send(body);
    expectError(await post('cats', { input: [] }), 400, 'invalid_value', 'input');
    const none = expectError(await post('cats', {}), 400, 'missing_field', 'input');
    expect(none.message).toBe('input: expected a string, or a list, but received nothing.');
    expectError(await post('dogs', { input: 'x' }), 404, 'not_found', 'id');
  });
});

describe('POST /v1/models/:id/activations', () => {
  const watch = (body: object, model = 'cats') =>
    api.request.post(`/v1/models/${model}/activations`).send(body);

  it('gives the values that the model itself has, of the units that vary most or of those named', async () => {
    const answer = await watch({ input: 'the cat sat', limit: 3 });
    expect(answer.status).toBe(200);
    const { tokens, layers, units } = activationsResource.parse(answer.body);
    const expected = await trained.model.activations('the cat sat', { limit: 3 });
    expect({ tokens, layers }).toEqual({ tokens: [...'the cat sat'], layers: [12] });
    expect(units.map(({ name }) => name)).toEqual(expected.units.map(({ name }) => name));
    units.forEach(({ values }, k) => {
      expect(values).toHaveLength(11);
      const off = values.map((value, t) => Math.abs(value - expected.units[k]!.values[t]!));
      expect(Math.max(...off)).toBeLessThan(1e-5);
    });
    const names = [units[1]!.name, units[0]!.name];
    const named = await watch({ input: 'the cat sat', units: names });
    expect(named.body.units).toEqual([units[1], units[0]]);
    const twice = expectError(
      await watch({ input: 'x', units: ['0.1', '0.1'] }),
      400,
      'invalid_value',
      'units',
    );
    expect(twice.message).toContain('expected each unit once');
    expectError(await watch({ input: 'x', units: ['0.1', '0.01'] }), 400, 'invalid_value', 'units[1]');
  });

  it('needs the context of a model that has one, and refuses what there is none of', async () => {
    const data = ['a', 'b']
      .flatMap((context) => ['ab', 'ba', 'aa', 'bb'].map((text) => JSON.stringify({ context, text })))
      .join('\n');
    await publish(api, await trainWeights(data, { task: 'conditional_generation' }), 'told');
    const [a, b] = await Promise.all(['a', 'b'].map((context) => watch({ input: 'ab', context }, 'told')));
    expect(a!.status).toBe(200);
    expect(a!.body.tokens).toEqual(['<s>', 'a', 'b']);
    expect(a!.body.units).not.toEqual(b!.body.units);
    expectError(await watch({ input: 'ab' }, 'told'), 400, 'invalid_value', 'context');
    expectError(await watch({ input: 'x', context: 'a' }), 400, 'invalid_value', 'context');
    expectError(await watch({ input: 'x', layer: 1 }), 400, 'invalid_value', 'layer');
    expectError(await watch({ input: 'x', units: ['0.12'] }), 400, 'invalid_value', 'units');
    expectError(await watch({ input: 'x'.repeat(4097) }), 400, 'invalid_value', 'input');
    expectError(await watch({ input: 'x' }, 'dogs'), 404, 'not_found', 'id');
  });
});

describe('memory and threads', () => {
  it('drops the least recently used model when memory runs out, and refuses one that never fits', async () => {
    const bytes = trained.model.parameters * 4;
    const small = await startApi({ limits: { modelMemoryBytes: Math.floor(bytes * 2.5) } });
    try {
      const others = await Promise.all([2, 3].map((seed) => trainModel({ seed })));
      for (const [index, each] of [trained, ...others].entries()) await publish(small, each, `m${index}`);
      const ask = (name: string) =>
        small.request
          .post('/v1/completions')
          .send({ model: name, prompt: 'the', max_tokens: 5, temperature: 0 });
      for (const name of ['m0', 'm1', 'm2', 'm0', 'm2', 'm1']) expect((await ask(name)).status).toBe(200);
      const big = await trainModel({ model: { cell: 'gru', hidden_size: 40, num_layers: 1 } });
      await publish(small, big, 'big');
      expectError(await ask('big'), 422, 'limit_exceeded', 'model');
    } finally {
      await small.stop();
    }
  });

  it('answers 503 when a thread dies in the middle of calls, and starts another', async () => {
    const threads: Worker[] = [];
    const remember = (thread: Worker) => threads.push(thread);
    process.on('worker', remember);
    const small = await startApi();
    process.off('worker', remember);
    try {
      await publish(small, trained, 'cats');
      const ask = (more: object) =>
        small.request.post('/v1/completions').send({ model: 'cats', prompt: 'the', ...more });
      expect((await ask({ max_tokens: 1 })).status).toBe(200);
      const plain = ask({ max_tokens: 100_000 });
      const [answer] = await Promise.all([
        plain,
        waitFor('the call to run', async () =>
          (await small.request.get('/metrics')).text.includes('unfold_inference_running 1'),
        ).then(() => threads.at(-1)?.terminate()),
      ]);
      expectError(answer, 503, 'unavailable');
      await waitFor('inference to be back', async () => (await ask({ max_tokens: 1 })).status === 200);
      expect((await small.request.get('/metrics')).text).toContain(
        'unfold_inference_thread_restarts_total 1',
      );
    } finally {
      await small.stop();
    }
  });
});
