import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type ConnectionState, Unfold, type WatchMessage } from '@unfold/client';
import type { Frame, JobResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, append, claim, metric, sampleText, smallSpec, startApi } from '../api/support.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { waitFor } from '../support/process.ts';

const adminKey = 'a-key-that-opens-sockets';
const portOf = (url: string): number => Number(new URL(url).port);

/** Reads along, so that a test can look at what came so far. */
const reading = <T>(items: AsyncIterable<T>) => {
  const seen: T[] = [];
  const over = (async () => {
    for await (const item of items) seen.push(item);
  })();
  // A test that waits for the end sees the error there.
  over.catch(() => {});
  return { seen, over, until: (what: string, test: () => boolean) => waitFor(what, test) };
};

/** A way to a server on which connections can die without being closed: nothing comes back any more. */
const openSilencer = async (target: () => number) => {
  const sockets = new Set<Socket>();
  let speaking = new Set<Socket>();
  const server = createServer((socket) => {
    const other = connect(target(), '127.0.0.1');
    for (const end of [socket, other]) sockets.add(end.on('error', () => {}));
    speaking.add(socket);
    socket.pipe(other);
    other.on('data', (chunk) => speaking.has(socket) && socket.write(chunk));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    silence: () => {
      speaking = new Set();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

const steps = (count: number, first = 1) =>
  Array.from({ length: count }, (_, index) => metric(first + index));
const dense = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const seqs = (frames: readonly Frame[]) => frames.map(({ seq }) => seq);
const framesOf = (messages: readonly WatchMessage[], job: string): Frame[] =>
  messages.filter((message): message is Frame => 'seq' in message && message.job_id === job);

describe('streams of the client', () => {
  let api: Api;
  let way: Gateway;
  let port: number;
  let unfold: Unfold;

  beforeAll(async () => {
    api = await startApi({ config: { adminKey } });
    port = portOf(api.url);
    way = await openGateway(() => port);
    unfold = new Unfold({ baseUrl: `http://127.0.0.1:${way.port}`, apiKey: adminKey });
  });
  afterAll(async () => {
    await way.close();
    await api.stop();
  });

  const submit = async (): Promise<JobResource> => {
    const file = await unfold.files.upload(new Blob([sampleText]), { filename: 'cats.txt' });
    return unfold.jobs.create(smallSpec(file.id));
  };

  it('follow a job to its end, every frame once and in order, over a cut and a restart of the API', async () => {
    const job = await submit();
    const owner = await claim(api, job.id);
    await append(api, owner, steps(50));
    const states: ConnectionState[] = [];
    const reader = reading(unfold.jobs.follow(job.id, { onConnection: (state) => states.push(state) }));
    await reader.until('the log', () => reader.seen.length > 50);
    await way.cut();
    await append(api, owner, steps(50, 51));
    await way.mend();
    await reader.until('what was missed', () => reader.seen.length > 100);
    const restarted = await api.another();
    port = portOf(restarted.url);
    await Promise.all([append(api, owner, steps(50, 101)), api.app.close()]);
    await reader.until('what came meanwhile', () => reader.seen.length > 150);
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    await reader.over;
    expect(seqs(reader.seen)).toEqual(dense(reader.seen.length));
    expect(reader.seen.at(-1)).toMatchObject({ type: 'status', status: 'cancelled' });
    expect(states).toEqual(expect.arrayContaining(['connecting', 'open', 'lost']));
    expect(states.filter((state) => state === 'open').length).toBeGreaterThanOrEqual(3);
    // What is over is over, wherever one begins.
    const rest = reading(unfold.jobs.follow(job.id, { after: reader.seen.length - 2 }));
    await rest.over;
    expect(rest.seen).toEqual(reader.seen.slice(-2));
  });

  it('are bounded: who reads slowly is connected again and misses nothing', async () => {
    const job = await submit();
    const owner = await claim(api, job.id);
    for (let first = 1; first < 25_000; first += 5000) await append(api, owner, steps(5000, first));
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    let opened = 0;
    const frames: Frame[] = [];
    const slow = unfold.jobs.follow(job.id, {
      onConnection: (state) => (opened += state === 'open' ? 1 : 0),
    });
    for await (const frame of slow) {
      frames.push(frame);
      // Meanwhile the rest of the log arrives, and is more than may wait.
      if (frames.length === 1)
        for (let after = 0; after < 25_000; after += 1000)
          await unfold.jobs.events(job.id, { after, limit: 1000 });
    }
    expect(seqs(frames)).toEqual(dense(frames.length));
    expect(frames.length).toBeGreaterThan(25_000);
    expect(opened).toBeGreaterThan(1);
  });

  it('notice a connection that is dead without a word, and begin another', async () => {
    const proxy = await openSilencer(() => port);
    const client = new Unfold({ baseUrl: `http://127.0.0.1:${proxy.port}`, apiKey: adminKey });
    const job = await submit();
    const owner = await claim(api, job.id);
    const stop = new AbortController();
    const follower = reading(client.jobs.follow(job.id, { quietMs: 200 }));
    const watch = client.watch({ quietMs: 200, signal: stop.signal });
    watch.subscribe(job.id);
    const watcher = reading(watch);
    const watched = () => framesOf(watcher.seen, job.id);
    await waitFor('the beginning', () => follower.seen.length > 0 && watched().length > 0);
    proxy.silence();
    await append(api, owner, steps(5));
    await waitFor(
      'what was swallowed',
      () => follower.seen.at(-1)?.type === 'metric' && watched().at(-1)?.type === 'metric',
    );
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    await follower.over;
    await waitFor('the end', () => watched().length === follower.seen.length);
    expect(watched()).toEqual(follower.seen);
    stop.abort();
    await watcher.over.catch(() => {});
    await proxy.close();
  });

  it('end with the refusal where there is nothing to follow or the key is wrong, and with the reason of an abort', async () => {
    const unknown = 'job-00000000000000000000000000000000';
    await expect(reading(unfold.jobs.follow(unknown)).over).rejects.toMatchObject({ status: 404 });
    const stranger = new Unfold({ baseUrl: unfold.baseUrl, apiKey: 'another-key-than-that' });
    await expect(reading(stranger.watch()).over).rejects.toMatchObject({ code: 'invalid_api_key' });
    const stop = new AbortController();
    const { over } = reading(unfold.jobs.follow((await submit()).id, { signal: stop.signal }));
    stop.abort(new Error('enough'));
    await expect(over).rejects.toThrow('enough');
  });

  it('watch many jobs: a snapshot, status frames of all, every frame of those subscribed to, over a cut', async () => {
    const [followed, other] = [await submit(), await submit()];
    const owner = await claim(api, followed.id);
    await append(api, owner, steps(20));
    const stop = new AbortController();
    const watch = unfold.watch({ signal: stop.signal });
    watch.subscribe(followed.id);
    const reader = reading(watch);
    const own = () => framesOf(reader.seen, followed.id);
    await reader.until('the log', () => own().length > 20);
    expect(reader.seen[0]).toMatchObject({ type: 'snapshot' });
    await way.cut();
    await append(api, owner, steps(20, 21));
    await way.mend();
    await reader.until('what was missed', () => own().length > 40);
    expect(reader.seen.filter(({ type }) => type === 'snapshot')).toHaveLength(2);
    watch.subscribe('job-00000000000000000000000000000000');
    await reader.until('the refusal', () => reader.seen.some(({ type }) => type === 'refused'));
    await unfold.jobs.pause(other.id);
    await reader.until('the pause', () => framesOf(reader.seen, other.id).length > 0);
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    await reader.until('the end', () => own().at(-1)?.type === 'status' && own().length > 41);
    expect(seqs(own())).toEqual(dense(own().length));
    expect(framesOf(reader.seen, other.id).every(({ type }) => type === 'status')).toBe(true);
    stop.abort();
    await expect(reader.over).rejects.toThrow('aborted');
  });
});
