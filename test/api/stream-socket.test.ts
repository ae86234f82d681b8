import type { SocketMessage } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, openSocket } from './socket-client.ts';
import {
  type Api,
  append,
  claim,
  metric,
  queueKinds,
  smallSpec,
  startApi,
  submit,
  upload,
} from './support.ts';

const snapshotOf = (client: Client) =>
  client.messages.find(
    (message): message is Extract<SocketMessage, { type: 'snapshot' }> =>
      'type' in message && message.type === 'snapshot',
  );

const open = async (url: string): Promise<Client> => {
  const client = await openSocket(url, '/v1/stream');
  await client.until('the snapshot', () => snapshotOf(client) !== undefined);
  return client;
};

const statuses = (client: Client, jobId: string) =>
  client.frames(jobId).flatMap((frame) => (frame.type === 'status' ? [frame.status] : [frame.type]));

describe.each(queueKinds)('WS /v1/stream, with the queue on %s', (queue) => {
  let api: Api;

  beforeAll(async () => {
    api = await startApi({ queue, limits: { subscriptionsPerSocket: 3 } });
  });
  afterAll(async () => api.stop());

  it('opens with a snapshot, then sends the status frames of all jobs, those of later ones included', async () => {
    const early = await submit(api);
    const client = await open(api.url);
    expect(client.messages[0]).toMatchObject({ type: 'snapshot' });
    expect(snapshotOf(client)?.jobs.map(({ id }) => id)).toContain(early.id);
    const late = await submit(api);
    const owner = await claim(api, early.id);
    await append(api, owner, [metric(1)]);
    await api.request.post(`/v1/jobs/${late.id}/pause`);
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    await client.until(
      'the statuses',
      () => client.frames(early.id).length === 2 && client.frames(late.id).length === 2,
    );
    expect(statuses(client, early.id)).toEqual(['running', 'cancelled']);
    expect(statuses(client, late.id)).toEqual(['queued', 'paused']);
    await api.request.post(`/v1/jobs/${early.id}/resume`);
    await client.until('the resumed job', () => client.frames(early.id).length === 3);
    expect(statuses(client, early.id)).toEqual(['running', 'cancelled', 'queued']);
    await client.close();
  });

  it('takes a SEQ beyond the end of a finished job, and has nothing to send', async () => {
    const job = await submit(api);
    await api.request.post(`/v1/jobs/${job.id}/cancel`);
    const client = await open(api.url);
    for (const after of [9999, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
      const answers = client.messages.length;
      client.send({ type: 'subscribe', job: job.id, after });
      await client.until('the answer', () => client.messages.length > answers);
      expect(client.messages.at(-1)).toEqual({ type: 'subscribed', job: job.id, head: 2 });
    }
    // The subscription ended with the job: a new one finds room, and is sent the log.
    client.send({ type: 'subscribe', job: job.id, after: 1 });
    await client.until('the log', () => client.frames(job.id).length === 1);
    await client.close();
  });

  it('sends everything of a subscribed job after SEQ, each frame once, and nothing more once unsubscribed', async () => {
    const job = await submit(api);
    const owner = await claim(api, job.id);
    await append(api, owner, [metric(1), metric(2)]);
    const client = await open(api.url);
    client.send({ type: 'subscribe', job: job.id, after: 1 });
    await client.until('the log', () => client.frames(job.id).length === 3);
    expect(client.messages).toContainEqual({ type: 'subscribed', job: job.id, head: 4 });
    await append(api, owner, [metric(3)]);
    await client.until('the live frame', () => client.frames(job.id).length === 4);
    client.send({ type: 'unsubscribe', job: job.id });
    await client.until('the answer', () =>
      client.messages.some((message) => 'type' in message && message.type === 'unsubscribed'),
    );
    await append(api, owner, [metric(4)]);
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    await client.until('the status', () =>
      client.frames(job.id).some(({ type, seq }) => type === 'status' && seq > 5),
    );
    expect(client.frames(job.id).map(({ seq }) => seq)).toEqual([2, 3, 4, 5, 7]);
    await client.close();
  });

  it('sends the last frame of a subscribed job once, and ends the subscription with it', async () => {
    const job = await submit(api);
    const owner = await claim(api, job.id);
    const client = await open(api.url);
    client.send({ type: 'subscribe', job: job.id });
    await client.until('the log', () => client.frames(job.id).length === 2);
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    await client.until('the end', () => client.frames(job.id).length === 3);
    await api.request.post(`/v1/jobs/${job.id}/resume`);
    await client.until('the resumed job', () => client.frames(job.id).length === 4);
    expect(client.frames(job.id).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    await client.close();
  });

  it('keeps the socket open for an unknown job and for one subscription too many', async () => {
    const file = await upload(api);
    const jobs = [];
    for (let count = 0; count < 4; count += 1)
      jobs.push((await api.request.post('/v1/jobs').send(smallSpec(file))).body.id);
    const client = await open(api.url);
    client.send({ type: 'subscribe', job: `job-${'0'.repeat(32)}` });
    for (const job of jobs) client.send({ type: 'subscribe', job });
    await client.until(
      'all answers',
      () => client.messages.filter((message) => !('seq' in message)).length === 6,
    );
    const codes = client.messages.flatMap((message) =>
      'error' in message && message.error ? [message.error.code] : [],
    );
    expect(codes).toEqual(['not_found', 'overloaded']);
    expect(client.socket.readyState).toBe(client.socket.OPEN);
    await client.close();
  });

  it.each([
    ['not JSON', '{'],
    ['of an unknown type', '{"type":"shout"}'],
    ['with an unknown field', `{"type":"unsubscribe","job":"job-${'0'.repeat(32)}","x":1}`],
    ['with a bad SEQ', `{"type":"subscribe","job":"job-${'0'.repeat(32)}","after":-1}`],
    ['with U+0000', '{"type":"subscribe","job":"\\u0000"}'],
    ['nested deeply', '['.repeat(10_000)],
  ])('answers a message %s with an error and a policy close', async (_name, message) => {
    const client = await open(api.url);
    client.send(message);
    expect((await client.closed).code).toBe(1008);
    expect(client.messages.at(-1)).toMatchObject({ error: { type: 'invalid_request_error' } });
  });

  it('closes a socket that sends more than it may', async () => {
    const client = await open(api.url);
    client.send('x'.repeat(100_000));
    expect((await client.closed).code).toBe(1009);
  });

  it('sees the jobs of its own project only', async () => {
    const job = await submit(api);
    const client = await open(api.url);
    const foreign = await api.store.files.create('other', {
      filename: 'x',
      purpose: 'training',
      limit_bytes: 10_000,
      upload: (async function* () {
        yield Buffer.from('some text of another project, long enough for a window of sixteen.');
      })(),
    });
    const spec = { ...job.spec, file: foreign.resource.id };
    const theirs = await api.store.jobs.create('other', spec);
    await api.queue.announce({ job_id: theirs.resource.id, seq: 1 });
    client.send({ type: 'subscribe', job: theirs.resource.id });
    const mine = await submit(api);
    await client.until('my job', () => client.frames(mine.id).length > 0);
    await client.until('the refusal', () => client.messages.some((message) => 'error' in message));
    expect(client.frames(theirs.resource.id)).toEqual([]);
    await client.close();
  });
});
