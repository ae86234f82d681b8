import { connect } from 'node:net';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { api, complete, events, running, serveModel, stream, trained } from './model-calls.ts';
import { expectError, startApi } from './support.ts';
import { publish, trainModel, writeDirectly } from './trained-model.ts';

serveModel({ inferenceQueue: 4 });

const options = { prompt: 'the cat', max_tokens: 40, temperature: 0.8, top_k: 5, top_p: 0.9, seed: 7 };

describe('calls that others wait beside, leave or break off', () => {
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

  it.each([false, true])(
    'stops all that a client asked for on one connection when it goes away (stream: %s)',
    async (stream) => {
      const { port, hostname } = new URL(api.url);
      const body = JSON.stringify({ model: 'cats', max_tokens: 100_000, stream });
      const head = `POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
      const socket = connect(Number(port), hostname);
      socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`.repeat(4));
      await waitFor('the calls to run', async () => (await running()) === 4);
      socket.destroy();
      await waitFor('the calls to end', async () => (await running()) === 0);
    },
  );

  it('holds back the tokens of a client that does not read', async () => {
    const abort = new AbortController();
    const answer = await stream({ max_tokens: 100_000 }, abort.signal);
    expect(answer.status).toBe(200);
    const other = await complete({ max_tokens: 50 });
    expect(other.status).toBe(200);
    abort.abort();
    await waitFor('the call to end', async () => (await running()) === 0);
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
