import { completionResource, type ErrorEnvelope } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { api, complete, model, stream, trained } from './model-calls.ts';
import { fork, get, greedy, isFree, open, sampled, serveSessions, write } from './session-calls.ts';
import { expectError } from './support.ts';
import { publish, trainModel } from './trained-model.ts';

serveSessions();

describe('completions in a session', () => {
  it('go on as if nobody had stopped: two calls are one', async () => {
    for (const how of [greedy, sampled]) {
      const whole = await write({ prompt: 'the cat sat on', max_tokens: 60, ...how });
      const session = await open();
      await write({ session, prompt: 'the cat', max_tokens: 0, ...how });
      expect(await get(session)).toMatchObject({ tokens: 7 });
      const first = await write({ session, prompt: ' sat on', max_tokens: 20, ...how });
      const rest = await write({ session, prompt: '', max_tokens: 40, ...how });
      expect(first + rest).toBe(whole);
      expect(await get(session)).toMatchObject({ tokens: 74 });
    }
  });

  it('say which session and how many tokens, in events as well', async () => {
    const session = await open();
    const answer = await complete({ session, prompt: 'the', max_tokens: 5, ...sampled });
    expect(completionResource.parse(answer.body)).toMatchObject({
      session,
      model,
      usage: { prompt_tokens: 3, completion_tokens: 5 },
    });
    const other = await fork(session);
    const text = await (await stream({ session: other, max_tokens: 6, ...sampled })).text();
    const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data!));
    expect(new Set(events.map((event) => event.session))).toEqual(new Set([other]));
    const streamed = events.map((event) => event.choices[0].text).join('');
    expect(streamed).toBe(await write({ session, max_tokens: 6, ...sampled }));
    expect((await get(other)).tokens).toBe((await get(session)).tokens);
  });

  it('take the same room after any length of text, and share the reading of what they begin with', async () => {
    const prompt = 'the dog sat on the fog, and the mat lay by the cat.\n'.repeat(100);
    const [first, second] = [await open(), await open()];
    const cached: number[] = [];
    for (const session of [first, second]) {
      const { usage } = (await complete({ session, prompt, max_tokens: 30, ...greedy })).body;
      cached.push(usage.prompt_tokens_details.cached_tokens);
    }
    expect(cached[0]).toBeLessThan(100);
    expect(cached[1]).toBeGreaterThan(prompt.length / 2);
    expect((await get(second)).tokens).toBe(prompt.length + 30);
    const { bytes } = await get(first);
    await write({ session: first, prompt: prompt.repeat(5), max_tokens: 30, ...greedy });
    expect((await get(first)).bytes).toBeLessThan(bytes * 1.5);
    const third = await write({ session: first, prompt: '', max_tokens: 20, ...greedy });
    expect(third).toHaveLength(20);
  });

  it('stop before a stop text, wherever the borders of tokens are, and go on from there', async () => {
    const whole = await write({ prompt: 'the cat', max_tokens: 60, ...greedy });
    const stop = whole.slice(17, 20);
    const at = whole.indexOf(stop);
    const session = await open();
    expect(await write({ session, prompt: 'the cat', stop, max_tokens: 60, ...greedy })).toBe(
      whole.slice(0, at),
    );
    expect(await get(session)).toMatchObject({ tokens: 7 + at });
    // What stopped the text was never read: it is written again.
    expect(await write({ session, max_tokens: 60 - at, ...greedy })).toBe(whole.slice(at));
  });

  it('use a session one at a time, from any API process', async () => {
    const session = await open();
    const other = await api.another();
    const abort = new AbortController();
    const first = await stream({ session, max_tokens: 100_000 }, abort.signal);
    expect(first.status).toBe(200);
    for (const url of [api.url, other.url]) {
      const refused = await stream({ session, max_tokens: 1, stream: false }, null, url);
      expect(refused.status).toBe(409);
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(((await refused.json()) as ErrorEnvelope).error).toMatchObject({
        code: 'session_busy',
        type: 'conflict_error',
      });
    }
    expect((await api.request.get('/metrics')).text).toMatch(/^unfold_sessions_busy_total [1-9]/m);
    abort.abort();
    await waitFor('the session to be free', () => isFree(session));
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, k) =>
        stream({ session, max_tokens: 30, stream: false }, null, k % 2 ? api.url : other.url),
      ),
    );
    const done = answers.filter(({ status }) => status === 200).length;
    expect(done).toBeGreaterThan(0);
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
  });

  it('commit what was streamed when the client goes away, and only that', async () => {
    const session = await open();
    const abort = new AbortController();
    const answer = await stream({ session, prompt: 'the cat', max_tokens: 100_000, ...greedy }, abort.signal);
    const reader = answer.body!.getReader();
    await reader.read();
    await reader.read();
    abort.abort();
    await reader.read().catch(() => null);
    await waitFor('the session to be free', () => isFree(session));
    const { tokens } = await get(session);
    expect(tokens).toBeGreaterThan(7);
    const whole = await write({ prompt: 'the cat', max_tokens: tokens - 7 + 20, ...greedy });
    expect(await write({ session, max_tokens: 20, ...greedy })).toBe(whole.slice(tokens - 7));
  });

  it('keep nothing of an answer that its client did not wait for', async () => {
    const session = await open();
    const abort = new AbortController();
    const call = stream({ session, prompt: 'the', max_tokens: 100_000, stream: false }, abort.signal).catch(
      () => null,
    );
    await waitFor('the session to be used', async () => !(await isFree(session)));
    abort.abort();
    await call;
    await waitFor('the session to be free', () => isFree(session));
    expect(await get(session)).toMatchObject({ tokens: 0 });
  });

  it('run to their end when the session is deleted under them', async () => {
    const session = await open();
    const answer = await stream({ session, prompt: 'the', max_tokens: 3000, ...greedy });
    const reader = answer.body!.getReader();
    await reader.read();
    expect((await api.request.delete(`/v1/sessions/${session}`)).status).toBe(200);
    let text = '';
    const decoder = new TextDecoder();
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += decoder.decode(part.value);
    expect(text).toMatch(/"finish_reason":"length"[\s\S]*data: \[DONE\]\n\n$/);
    expectError(await complete({ session }), 404, 'not_found', 'session');
  });

  it('give the session back where it stood when the database does not take their state', async () => {
    const id = await open();
    await api.database.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$;
      CREATE TRIGGER refuse BEFORE UPDATE OF state ON sessions FOR EACH ROW EXECUTE FUNCTION refuse()`);
    try {
      const answer = await complete({ session: id, prompt: 'the', max_tokens: 3 });
      expect(answer.status).toBeGreaterThanOrEqual(500);
    } finally {
      await api.database.query('DROP TRIGGER refuse ON sessions; DROP FUNCTION refuse()');
    }
    expect((await get(id)).tokens).toBe(0);
    await write({ session: id, prompt: 'the', max_tokens: 3 });
  });

  it('are fenced off when another process has taken the session over meanwhile', async () => {
    const session = await open();
    // More than fits between the two processes, so that it does not end before it is read.
    const answer = await stream({ session, prompt: 'the', max_tokens: 40_000, ...greedy });
    const reader = answer.body!.getReader();
    await reader.read();
    // As after a stall that was longer than the lease.
    await api.database.query("UPDATE sessions SET lease_expires_at = now() - interval '1 s' WHERE id = $1", [
      session,
    ]);
    const taken = await api.store.sessions.lease({ project: 'default', key: 'local' }, session, 60_000);
    let text = '';
    const decoder = new TextDecoder();
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += decoder.decode(part.value);
    expect(text).toMatch(/"code":"session_busy"/);
    expect(text).not.toContain('[DONE]');
    expect(text).not.toContain('"finish_reason":"length"');
    await api.store.sessions.release(taken.lease);
    expect(await get(session)).toMatchObject({ tokens: 0 });
  });

  it('go on with the model that the session began with, and with no other', async () => {
    const session = await open();
    const newer = await trainModel({ seed: 9 });
    const second = await publish(api, newer, 'cats');
    try {
      const answer = await complete({ session, prompt: 'the cat', max_tokens: 20, ...greedy });
      expect(answer.body.model).toBe(model);
      const old = await write({ model, prompt: 'the cat', max_tokens: 20, ...greedy });
      expect(answer.body.choices[0].text).toBe(old);
      for (const other of [second.id, 'dogs'])
        expectError(await complete({ session, model: other }), 400, 'invalid_value', 'model');
    } finally {
      await api.request.delete(`/v1/models/${second.id}`);
    }
  });

  it('say so when the model was deleted; the session itself can still be had and deleted', async () => {
    const gone = await publish(api, trained, 'gone');
    const session = await open({ model: 'gone' });
    await api.request.delete(`/v1/models/${gone.id}`);
    expectError(await complete({ session, model: 'gone' }), 409, 'wrong_state', 'session');
    expect((await get(session)).model).toBe(gone.id);
    expect((await api.request.get(`/v1/sessions?model=${gone.id}`)).body.data).toHaveLength(1);
    expect((await api.request.delete(`/v1/sessions/${session}`)).status).toBe(200);
    const { message } = expectError(await complete({ session, model: 'gone' }), 404, 'not_found', 'session');
    expect(message).toContain(session);
  });

  it('of a hundred sessions at once are those of each alone', async () => {
    const prompts = Array.from({ length: 100 }, (_, k) =>
      `the ${'cat dog mat fog'.split(' ')[k % 4]} ${k}`.slice(0, 7),
    );
    // Calls that waited five seconds for one of few connections to the database are refused, which a busy machine may make of a hundred. They
    // have changed nothing then, and are asked again, as clients do.
    const answered = async (call: () => ReturnType<typeof complete>) => {
      const { status, body } = await waitFor(
        'an answer',
        async () => {
          const answer = await call();
          return answer.status !== 503 && answer;
        },
        120_000,
      );
      expect(status, JSON.stringify(body)).toBeLessThan(300);
      return body;
    };
    const sessions: string[] = await Promise.all(
      prompts.map(
        async () => (await answered(() => api.request.post('/v1/sessions').send({ model: 'cats' }))).id,
      ),
    );
    const text = async (k: number, more: object): Promise<string> => {
      const ask = { prompt: prompts[k], max_tokens: 16, temperature: 1, seed: k, ...more };
      return completionResource.parse(await answered(() => complete(ask))).choices[0]!.text;
    };
    const together = await Promise.all(sessions.map((session, k) => text(k, { session })));
    const rest = await Promise.all(sessions.map((session, k) => text(k, { session, prompt: '' })));
    for (const k of [0, 1, 2, 3, 50, 99])
      expect(together[k]! + rest[k]!).toBe(await text(k, { max_tokens: 32 }));
  });
});
