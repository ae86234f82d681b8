import { completionResource, sessionResource } from '@unfold/contracts';
import { expect } from 'vitest';
import { api, complete, serveModel } from './model-calls.ts';

/** A server with the model `cats` and room for sessions, for the test file that calls this. */
export const serveSessions = (): void =>
  serveModel({ sessionsPerKey: 1000, snapshotsPerSession: 2, sessionSeconds: 200_000 });

export const open = async (body: object = {}): Promise<string> => {
  const answer = await api.request.post('/v1/sessions').send({ model: 'cats', ...body });
  expect(answer.body).toMatchObject({ object: 'session' });
  return answer.body.id;
};
export const write = async (body: object): Promise<string> => {
  const answer = await complete(body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return completionResource.parse(answer.body).choices[0]!.text;
};
export const get = async (id: string) =>
  sessionResource.parse((await api.request.get(`/v1/sessions/${id}`)).body);
export const fork = async (id: string, body: object = {}): Promise<string> => {
  const answer = await api.request.post(`/v1/sessions/${id}/fork`).send(body);
  expect(answer.status).toBe(201);
  return answer.body.id;
};
export const isFree = async (id: string): Promise<boolean> => {
  const [row] = await api.database.query('SELECT lease_token FROM sessions WHERE id = $1', [id]);
  return row!.lease_token === null;
};
export const greedy = { temperature: 0 };
export const sampled = { temperature: 0.9, seed: 7 };
