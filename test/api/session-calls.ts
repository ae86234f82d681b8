import { completionResource, sessionResource } from '@unfold/contracts';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Api, startApi } from './support.ts';
import { publish, type Trained, trainModel } from './trained-model.ts';

/** The server of the test file that calls `serveSessions`, with the model `cats`. */
export let api: Api;
export let trained: Trained;
/** The id of `cats`. */
export let model: string;

/** Starts the server before the first test of the file that calls this, and stops it after the last. */
export const serveSessions = (): void => {
  beforeAll(async () => {
    trained = await trainModel();
    api = await startApi({
      limits: { sessionsPerKey: 1000, snapshotsPerSession: 2, sessionSeconds: 200_000 },
    });
    model = (await publish(api, trained, 'cats')).id;
  });
  afterAll(async () => api.stop());
};

export const open = async (body: object = {}): Promise<string> => {
  const answer = await api.request.post('/v1/sessions').send({ model: 'cats', ...body });
  expect(answer.body).toMatchObject({ object: 'session' });
  return answer.body.id;
};
export const complete = (body: object, request: Api['request'] = api.request) =>
  request.post('/v1/completions').send({ model: 'cats', ...body });
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
export const stream = (body: object, signal: AbortSignal | null = null, url = api.url) =>
  fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'cats', stream: true, ...body }),
    signal,
  });
export const isFree = async (id: string): Promise<boolean> => {
  const [row] = await api.database.query('SELECT lease_token FROM sessions WHERE id = $1', [id]);
  return row!.lease_token === null;
};
export const greedy = { temperature: 0 };
export const sampled = { temperature: 0.9, seed: 7 };
