import { closeCodes, parseRequest, type SocketRequest, socketRequest, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { ApiContext } from '../context.ts';
import { toUnfoldError } from '../http/errors.ts';
import { noQuery } from '../http/parameters.ts';
import { refuseUnstorableText } from '../http/storable.ts';
import type { EncodedFrame } from '../live/encoded-frame.ts';
import type { Follower } from '../live/follower-hub.ts';
import { sendSocketError } from '../live/open-sockets.ts';
import { recentJobs } from '../live/snapshot.ts';
import { createSocketWriter, socketSink } from '../live/socket-sink.ts';
import { defineSocketRoute, noParams } from './socket-route.ts';

/** Messages of one peer that may wait for their turn. */
const maxPendingMessages = 1000;

const readMessage = (data: Buffer, binary: boolean): SocketRequest => {
  if (binary) throw new UnfoldError('malformed_body', 'expected a text message, but received a binary one.');
  let parsed: unknown;
  try {
    parsed = JSON.parse(data.toString('utf8'));
  } catch (cause) {
    throw new UnfoldError('malformed_body', 'The message is not valid JSON.', { cause });
  }
  refuseUnstorableText(parsed);
  return parseRequest(socketRequest, parsed);
};

/** `WS /v1/stream`: a snapshot, the status frames of all jobs, and everything of those subscribed to. */
export const registerStreamSocket = (app: FastifyInstance, context: ApiContext): void => {
  const { store, hub, watchers, sockets, timings, closing, config } = context;
  const limit = config.limits.subscriptionsPerSocket;

  const open = (socket: WebSocket, request: FastifyRequest): void => {
    if (closing.aborted) {
      socket.close(closeCodes.restarting);
      return;
    }
    const project = request.identity?.project ?? 'default';
    const writer = createSocketWriter(socket, timings.stallMs);
    const subscriptions = new Map<string, Follower>();
    /** Per job, the last frame that this socket was sent. */
    const sent = new Map<string, number>();
    let early: EncodedFrame[] | null = [];
    let leave = (): void => {};
    sockets.add('/v1/stream', socket);

    const sendStatus = (frame: EncodedFrame): void => {
      const { job_id } = frame.frame;
      const known = sent.get(job_id) ?? 0;
      if (frame.ends) sent.delete(job_id);
      // A subscription sends all frames of its job, this one among them.
      if (subscriptions.has(job_id) || frame.seq <= known) return;
      if (!frame.ends) sent.set(job_id, frame.seq);
      writer.send(frame.text);
    };

    const unsubscribe = (job: string): void => {
      const follower = subscriptions.get(job);
      if (follower === undefined) return;
      follower.close();
      subscriptions.delete(job);
      sent.set(job, follower.cursor);
    };

    const subscribe = async (job: string, after: number): Promise<void> => {
      if (!subscriptions.has(job) && subscriptions.size >= limit)
        throw new UnfoldError('overloaded', `expected at most ${limit} subscriptions on one socket.`, {
          param: 'job',
        });
      await store.jobs.get(project, job);
      const heads = await store.events.heads([job]);
      if (socket.readyState !== socket.OPEN) return;
      unsubscribe(job);
      writer.send(JSON.stringify({ type: 'subscribed', job, head: heads.get(job)?.head ?? 0 }));
      const follower = hub.follow(
        job,
        after,
        socketSink(writer, () => unsubscribe(job)),
      );
      subscriptions.set(job, follower);
    };

    const handle = async (data: Buffer, binary: boolean): Promise<void> => {
      const message = readMessage(data, binary);
      if (message.type === 'subscribe') return subscribe(message.job, message.after);
      unsubscribe(message.job);
      writer.send(JSON.stringify({ type: 'unsubscribed', job: message.job }));
    };

    const begin = async (): Promise<void> => {
      leave = await watchers.watch(project, (frame) => (early ? early.push(frame) : sendStatus(frame)));
      // Read before the snapshot, which therefore shows all that these frames said: they are not sent after it.
      const heads = await store.events.heads((await recentJobs(store, project)).map(({ id }) => id));
      for (const [id, { head }] of heads) sent.set(id, head);
      if (socket.readyState !== socket.OPEN) return leave();
      writer.send(JSON.stringify({ type: 'snapshot', jobs: await recentJobs(store, project) }));
      const waiting = early ?? [];
      early = null;
      for (const frame of waiting) sendStatus(frame);
    };

    const refuse = (error: unknown): void => {
      const known = toUnfoldError(error);
      if (known.status >= 500) request.log.error({ err: known.cause ?? known }, known.message);
      // An unknown job or a full house is no misunderstanding: the socket stays open.
      sendSocketError(socket, known, request.id, known.status === 400 || known.status >= 500);
    };

    let pending = 0;
    // Messages are answered in order, and after the snapshot.
    let turn = begin().catch(refuse);
    socket.on('message', (data: Buffer, binary: boolean) => {
      pending += 1;
      if (pending > maxPendingMessages) return socket.close(closeCodes.policy, 'too many messages');
      turn = turn
        .then(() => handle(data, binary))
        .catch(refuse)
        .finally(() => (pending -= 1));
    });
    socket.on('close', () => {
      leave();
      for (const follower of subscriptions.values()) follower.close();
      subscriptions.clear();
    });
  };

  defineSocketRoute(app, {
    url: '/v1/stream',
    summary: 'Follow many jobs over one WebSocket',
    description:
      'Opens with `{"type":"snapshot","jobs":[…]}` (all unfinished jobs and the newest others, 100 at most) and then sends the ' +
      'status frames of all jobs of the project. `{"type":"subscribe","job":ID,"after":SEQ}` is answered with ' +
      '`{"type":"subscribed","job","head"}` and every frame after SEQ until the job ends; `{"type":"unsubscribe","job":ID}` ends it.',
    params: noParams,
    query: noQuery,
    admit: async () => sockets.requireRoom(),
    open,
  });
};
