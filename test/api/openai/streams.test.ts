import { connect, type Socket } from 'node:net';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../support/process.ts';
import { publish, trainModel } from '../trained-model.ts';
import { adminKey, failureOf, type OpenAiApi, readMetric, startOpenAiApi } from './client.ts';

const limit = 4;
const endless = { model: 'cats', prompt: 'the', max_tokens: 100_000 } as const;
let api: OpenAiApi;
let client: OpenAI;

beforeAll(async () => {
  api = await startOpenAiApi({ limits: { inferenceQueue: limit }, timings: { pingMs: 20, stallMs: 500 } });
  client = api.client;
  await publish(api, await trainModel(), 'cats');
});
afterAll(async () => api.stop());

const running = async (): Promise<number> => (await readMetric(api, 'unfold_inference_running'))[''] ?? 0;
const open = async (): Promise<number> =>
  (await readMetric(api, 'unfold_sockets'))['route="/v1/completions"'] ?? 0;
const idle = () =>
  waitFor('everything to have ended', async () => (await running()) === 0 && (await open()) === 0);

const partsOf = async (stream: AsyncIterable<OpenAI.Completion>): Promise<OpenAI.Completion[]> => {
  const parts: OpenAI.Completion[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
};

describe('a stream', () => {
  it('is the whole answer in parts that agree on everything but their texts', async () => {
    const request = { model: 'cats', prompt: 'the', max_tokens: 40, seed: 4 };
    const whole = await client.completions.create(request);
    const { data, response } = await client.completions.create({ ...request, stream: true }).withResponse();
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('x-request-id')).toMatch(/^req-/);
    const parts = await partsOf(data);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.map(({ choices }) => choices[0]?.text).join('')).toBe(whole.choices[0]?.text);
    expect(parts.map(({ choices }) => choices[0]?.finish_reason).filter(Boolean)).toEqual(['length']);
    const [first] = parts;
    for (const { choices, ...head } of parts) {
      expect(head).toEqual({
        id: first!.id,
        object: 'text_completion',
        created: first!.created,
        model: whole.model,
      });
      expect(choices).toHaveLength(1);
      expect(choices[0]).toMatchObject({ index: 0, logprobs: null });
    }
  });

  it('ends with the usage, without choices, when that is asked for', async () => {
    const request = { model: 'cats', prompt: 'the', max_tokens: 12, seed: 4 };
    const { usage } = await client.completions.create(request);
    const parts = await partsOf(
      await client.completions.create({ ...request, stream: true, stream_options: { include_usage: true } }),
    );
    const last = parts.pop();
    expect(last).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 12, total_tokens: 15 },
    });
    expect(last?.usage?.total_tokens).toBe(usage?.total_tokens);
    expect(parts.every((part) => part.usage === null && part.choices.length === 1)).toBe(true);
  });

  it('of no tokens still says why each choice ended, and is counted like any other answer', async () => {
    const answered = async () =>
      (await readMetric(api, 'unfold_http_request_seconds_count'))[
        'method="POST",route="/v1/completions",status="200"'
      ] ?? 0;
    const before = await answered();
    const nothing = { model: 'cats', prompt: ['the', 'a'], max_tokens: 0 };
    const parts = await partsOf(await client.completions.create({ ...nothing, stream: true }));
    const ends = parts.flatMap(({ choices }) => choices).filter((choice) => choice.finish_reason);
    expect(ends.map(({ index, text }) => `${index}${text}`).sort()).toEqual(['0', '1']);
    await waitFor('the answer to be counted', async () => (await answered()) === before + 1);
  });

  it('can be split in two readers', async () => {
    const stream = await client.completions.create({
      model: 'cats',
      prompt: 'the',
      max_tokens: 30,
      stream: true,
    });
    const [left, right] = stream.tee();
    expect(await partsOf(left)).toEqual(await partsOf(right));
  });

  it.each<[string, (stream: Awaited<ReturnType<typeof begin>>) => Promise<void>]>([
    [
      'controller.abort()',
      async (stream) => {
        for await (const _ of stream) stream.controller.abort();
      },
    ],
    [
      'a break out of the loop',
      async (stream) => {
        for await (const _ of stream) break;
      },
    ],
  ])('stops generating at %s', async (_, leave) => {
    await leave(await begin());
    await idle();
  });

  it('stops generating when the signal of a call that is not streamed aborts', async () => {
    const abort = new AbortController();
    const call = failureOf(client.completions.create(endless, { signal: abort.signal }));
    await waitFor('the call to run', async () => (await running()) === 1);
    abort.abort();
    expect(await call).toBeInstanceOf(OpenAI.APIUserAbortError);
    await idle();
  });

  it('is refused before it begins like any other call', async () => {
    const failure = await failureOf(client.completions.create({ ...endless, model: 'dogs', stream: true }));
    expect(failure).toBeInstanceOf(OpenAI.NotFoundError);
    expect(failure).toMatchObject({ code: 'not_found', param: 'model' });
  });

  it('that breaks off in the middle throws what the server says', async () => {
    const other = await api.another();
    const there = api.clientWith({ baseURL: `${other.url}/v1` });
    const stream = await there.completions.create({ ...endless, stream: true });
    let closing: Promise<unknown> | null = null;
    const failure = await failureOf(
      (async () => {
        for await (const _ of stream) closing ??= other.app.close();
      })(),
    );
    expect(failure).toBeInstanceOf(OpenAI.APIError);
    expect(failure).toMatchObject({ code: 'unavailable', type: 'server_error' });
    await closing;
  });
});

const begin = () => client.completions.create({ ...endless, stream: true });

describe('a busy server', () => {
  it('is tried again after the time that it names', async () => {
    const streams = await Promise.all(Array.from({ length: limit }, begin));
    expect(await failureOf(client.completions.create({ ...endless, max_tokens: 1 }))).toBeInstanceOf(
      OpenAI.RateLimitError,
    );
    const answers: { status: number; wait: string | null }[] = [];
    const patient = api.clientWith({
      maxRetries: 2,
      fetch: async (...call) => {
        const answer = await fetch(...call);
        answers.push({ status: answer.status, wait: answer.headers.get('retry-after') });
        streams.pop()?.controller.abort();
        await waitFor('room', async () => (await running()) < limit);
        return answer;
      },
    });
    const { choices } = await patient.completions.create({ model: 'cats', prompt: 'the', max_tokens: 5 });
    expect(choices).toHaveLength(1);
    expect(answers).toEqual([
      { status: 429, wait: '1' },
      { status: 200, wait: null },
    ]);
    for (const stream of streams) stream.controller.abort();
    await idle();
  });
});

/** A client that sends a request and then reads nothing. */
const ask = (body: object): Socket => {
  const text = JSON.stringify(body);
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${adminKey}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  return socket.pause();
};

describe('a client that does not read', () => {
  it('slows nobody else, costs bounded memory, and is cut off in the end', async () => {
    const written = async () =>
      (await readMetric(api, 'unfold_inference_tokens_total'))['kind="completion"'] ?? 0;
    const large = { ...endless, stream: true, logprobs: 5 };
    const sockets = [ask(large), ask(large)];
    await waitFor('the streams to be open', async () => (await open()) === 2);
    const before = await written();
    for (let k = 0; k < 3; k += 1) {
      const { usage } = await client.completions.create({ model: 'cats', prompt: 'the', max_tokens: 200 });
      expect(usage?.completion_tokens).toBe(200);
    }
    await idle();
    // The connections took no more long before the texts were through, so that their generation waited, and was given up.
    expect(await written()).toBeLessThan(before + 600 + 100_000);
    for (const socket of sockets) socket.destroy();
  });
});
