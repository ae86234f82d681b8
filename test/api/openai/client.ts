import OpenAI, { type ClientOptions } from 'openai';
import { type Api, type ApiChange, startApi } from '../support.ts';

export const adminKey = 'a-key-for-the-openai-client';

export interface OpenAiApi extends Api {
  /** OpenAI's own client, of which only the address and the key are ours; it tries nothing twice. */
  client: OpenAI;
  /** The same with other options. */
  clientWith(options: ClientOptions): OpenAI;
}

/** A server that needs a key, and OpenAI's client for it. */
export const startOpenAiApi = async (change: ApiChange = {}): Promise<OpenAiApi> => {
  const api = await startApi({ ...change, config: { adminKey, ...change.config } });
  const clientWith = (options: ClientOptions): OpenAI =>
    new OpenAI({ baseURL: `${api.url}/v1`, apiKey: adminKey, maxRetries: 0, ...options });
  return { ...api, client: clientWith({}), clientWith };
};

/** The numbers of one metric, by their labels as they are written; '' for one without. */
export const readMetric = async (api: OpenAiApi, name: string): Promise<Record<string, number>> => {
  const answer = await api.request.get('/metrics').set('authorization', `Bearer ${adminKey}`);
  const lines = answer.text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (.+)$`, 'gm'));
  return Object.fromEntries([...lines].map(([, labels, value]) => [labels ?? '', Number(value)]));
};

/** Everything that a client's list gives, page after page. */
export const collect = async <T>(list: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = [];
  for await (const item of list) items.push(item);
  return items;
};

/** What a call fails with. */
export const failureOf = async (call: Promise<unknown>): Promise<unknown> => {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('The call did not fail.');
};
