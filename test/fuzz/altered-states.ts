import fc from 'fast-check';
import { expect } from 'vitest';
import type { Target } from './target.ts';

/** What a session remembers, as it is, cut short, prolonged, or with some bytes changed. */
const alteredStates = (state: Buffer): fc.Arbitrary<Buffer> => {
  const place = fc.oneof(fc.nat({ max: state.length - 1 }), fc.nat({ max: Math.min(state.length - 1, 63) }));
  const byte = fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 0x7f, 0x80, 0xff));
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant(state) },
    {
      weight: 8,
      arbitrary: fc.array(fc.tuple(place, byte), { minLength: 1, maxLength: 8 }).map((changes) => {
        const altered = Buffer.from(state);
        for (const [at, value] of changes) altered[at] = value;
        return altered;
      }),
    },
    { weight: 1, arbitrary: place.map((length) => state.subarray(0, length)) },
    {
      weight: 1,
      arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }).map((more) => Buffer.concat([state, more])),
    },
  );
};

/**
 * Goes on from altered states, each beside a completion that has no part in it: a state is refused with its field or goes on, and what others
 * write stays the same.
 */
export const goOnFromAlteredStates = async (
  target: Target,
  parameters: { seed: number; numRuns: number },
): Promise<void> => {
  const post = (path: string, body: object) => target.api.request.post(path).set(target.headers).send(body);
  const write = (more: object) =>
    post('/v1/completions', { model: 'writer', prompt: 'the cat', max_tokens: 6, temperature: 0, ...more });
  const { body: session } = await post('/v1/sessions', { model: 'writer' });
  await write({ session: session.id });
  const owner = { project: 'default', key: 'admin' };
  const { state } = await target.api.store.sessions.state(owner, session.id);
  const expected = (await write({})).body.choices;

  const goOn = async (altered: Buffer): Promise<void> => {
    const created = await post('/v1/sessions', { model: 'writer', state: altered.toString('base64') });
    target.count('sessions from altered states', String(created.status));
    if (created.status !== 201) {
      expect([created.status, created.body.error.param]).toEqual([400, 'state']);
      return;
    }
    const [own, other] = await Promise.all([write({ session: created.body.id }), write({})]);
    expect(own.status, JSON.stringify(own.body)).toBe(200);
    expect(other.body.choices).toEqual(expected);
    await target.api.request.delete(`/v1/sessions/${created.body.id}`).set(target.headers);
  };
  await fc.assert(fc.asyncProperty(alteredStates(Buffer.from(state)), goOn), parameters);
  await target.look();
};
