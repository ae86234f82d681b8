import { closeCodes, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { jobParams, requireId } from '../http/parameters.ts';
import { sendSocketError } from '../live/open-sockets.ts';
import { createSocketWriter, socketSink } from '../live/socket-sink.ts';
import { defineSocketRoute } from './socket-route.ts';

/** Any number that JavaScript can count with: one beyond the job's last frame asks for nothing that is there already. */
export const afterSeq = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0).meta({
  description: 'Send the frames after this sequence number.',
});

const query = z.strictObject({ after: afterSeq });

/** `WS /v1/jobs/:id/stream`: everything after a sequence number, then live, until the job's last frame. */
export const registerJobSocket = (app: FastifyInstance, context: ApiContext): void => {
  const { store, hub, sockets, timings, closing } = context;

  const admit = async (request: FastifyRequest): Promise<void> => {
    const { id } = request.params as z.output<typeof jobParams>;
    sockets.requireRoom();
    await store.jobs.get(request.identity?.project ?? 'default', requireId('job', id));
  };

  const open = (socket: WebSocket, request: FastifyRequest): void => {
    const { id } = request.params as z.output<typeof jobParams>;
    const { after } = request.query as z.output<typeof query>;
    if (closing.aborted) {
      socket.close(closeCodes.restarting);
      return;
    }
    sockets.add('/v1/jobs/:id/stream', socket);
    const writer = createSocketWriter(socket, timings.stallMs);
    const follower = hub.follow(
      id,
      after,
      socketSink(writer, () => socket.close(closeCodes.finished, 'the job has ended')),
    );
    socket.on('close', () => follower.close());
    socket.on('message', () => {
      const error = new UnfoldError(
        'invalid_value',
        'This socket takes no messages; use /v1/stream to subscribe.',
      );
      sendSocketError(socket, error, request.id, true);
    });
  };

  defineSocketRoute(app, {
    url: '/v1/jobs/:id/stream',
    summary: 'Follow one job over a WebSocket',
    description:
      'Sends every frame after `after`, first those of the log, then live: no gap, no duplicate. Closed with 1000 after the ' +
      'last frame, 1001 at a restart (connect again with the last `seq`), 1013 when the client reads too slowly.',
    params: jobParams,
    query,
    admit,
    open,
  });
};
