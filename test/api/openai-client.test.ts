import OpenAI, { APIError, toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, startApi } from './support.ts';
import { publish, type Trained, trainModel, writeDirectly } from './trained-model.ts';

describe('OpenAI’s client', () => {
  const adminKey = 'a-key-for-the-openai-client';
  let api: Api;
  let client: OpenAI;
  let trained: Trained;

  beforeAll(async () => {
    trained = await trainModel();
    api = await startApi({ config: { adminKey } });
    client = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: adminKey, maxRetries: 0 });
    await publish(api, trained, 'cats');
  });
  afterAll(async () => api.stop());

  it('uploads, lists page by page, reads and deletes files', async () => {
    const ids: string[] = [];
    for (const text of ['one', 'two', 'three']) {
      const file = await client.files.create({
        file: await toFile(Buffer.from(text), `${text}.txt`),
        purpose: 'fine-tune',
      });
      expect(file).toMatchObject({ object: 'file', filename: `${text}.txt`, bytes: text.length });
      ids.unshift(file.id);
    }
    const listed: string[] = [];
    for await (const file of client.files.list({ limit: 2 })) listed.push(file.id);
    expect(listed).toEqual(ids);
    expect(await (await client.files.content(ids[0]!)).text()).toBe('three');
    for (const id of ids) expect((await client.files.delete(id)).deleted).toBe(true);
  });

  it('completes, at once and streamed', async () => {
    const request = { model: 'cats', prompt: 'the', max_tokens: 30, temperature: 0.7, seed: 4 };
    const expected = await writeDirectly(trained.model, request);
    const whole = await client.completions.create(request);
    expect(whole.choices[0]?.text).toBe(expected);
    expect(whole.usage?.completion_tokens).toBe(30);
    let text = '';
    for await (const part of await client.completions.create({ ...request, stream: true }))
      text += part.choices[0]?.text;
    expect(text).toBe(expected);
    let usage: unknown = null;
    const counted = { ...request, stream: true, stream_options: { include_usage: true } } as const;
    for await (const part of await client.completions.create(counted)) usage = part.usage;
    expect(usage).toEqual(whole.usage);
  });

  it('lists and finds models', async () => {
    const names: string[] = [];
    for await (const model of client.models.list()) names.push(model.id);
    expect(names).toHaveLength(1);
    expect((await client.models.retrieve('cats')).id).toBe(names[0]);
  });

  it('turns errors into its own, with status, code, param and request id', async () => {
    const error = await client.completions
      .create({ model: 'dogs', prompt: '' })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ status: 404, code: 'not_found', param: 'model', type: 'not_found_error' });
    expect((error as APIError).requestID).toMatch(/^req-/);
    const stranger = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
  });
});
