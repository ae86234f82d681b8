import { completionResource } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { api, complete, events, model, running, serveModel, stream, trained } from './model-calls.ts';
import { append, claim, expectError, submit } from './support.ts';
import { publish, trainModel, writeDirectly } from './trained-model.ts';

serveModel();

const options = { prompt: 'the cat', max_tokens: 40, temperature: 0.8, top_k: 5, top_p: 0.9, seed: 7 };

describe('POST /v1/completions', () => {
  it('writes what the model itself writes, by id and by name, and counts the tokens', async () => {
    const expected = await writeDirectly(trained.model, options);
    for (const asked of ['cats', model]) {
      const answer = await complete({ ...options, model: asked });
      expect(answer.status).toBe(200);
      const body = completionResource.parse(answer.body);
      expect(body).toMatchObject({ object: 'text_completion', model });
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

  it('streams what is too large to be held', async () => {
    const abort = new AbortController();
    const answer = await stream({ max_tokens: 100_000, n: 3, logprobs: 5 }, abort.signal);
    expect(answer.status).toBe(200);
    abort.abort();
    await waitFor('the call to end', async () => (await running()) === 0);
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
