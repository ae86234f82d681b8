import { afterAll, beforeAll } from 'vitest';
import { type Api, type ApiChange, startApi } from './support.ts';
import { publish, type Trained, trainModel } from './trained-model.ts';

/** The server of the test file that calls `serveModel`, with the model `cats`. */
export let api: Api;
export let trained: Trained;
/** The id of `cats`. */
export let model: string;

/** Starts the server before the first test of the file that calls this, and stops it after the last. */
export const serveModel = (limits: ApiChange['limits'] = {}): void => {
  beforeAll(async () => {
    trained = await trainModel();
    api = await startApi({ limits });
    model = (await publish(api, trained, 'cats')).id;
  });
  afterAll(async () => api.stop());
};

export const complete = (body: object, request: Api['request'] = api.request) =>
  request.post('/v1/completions').send({ model: 'cats', ...body });

export const stream = (body: object, signal: AbortSignal | null = null, url = api.url) =>
  fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'cats', stream: true, ...body }),
    signal,
  });

/** What a streamed answer's events say, `[DONE]` included. */
export const events = (text: string): string[] =>
  text
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => block.slice(6));

/** How many calls are being answered. */
export const running = async (): Promise<number> => {
  const { body } = await api.app.inject('/metrics');
  return Number(/^unfold_inference_running (\d+)$/m.exec(body)?.[1]);
};
