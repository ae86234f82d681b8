import fastifyWebsocket from '@fastify/websocket';
import { closeCodes, socketProtocol, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { OpenSockets } from '../live/open-sockets.ts';
import { rawError } from './error-answers.ts';

/** Clients send subscriptions only. */
const maxMessageBytes = 64 * 1024;

/** WebSockets: handshakes that are no good are answered over HTTP, and all sockets end with 1001 at a restart. */
export const installWebSockets = async (app: FastifyInstance, sockets: OpenSockets): Promise<void> => {
  await app.register(fastifyWebsocket, {
    options: {
      maxPayload: maxMessageBytes,
      // A key may be offered beside the protocol; it is never sent back.
      handleProtocols: (offered) => (offered.has(socketProtocol) ? socketProtocol : false),
    },
    errorHandler: (error, socket, request) => {
      request.log.debug({ err: error }, 'a socket failed');
      if (socket.readyState === socket.OPEN) socket.close(closeCodes.internal);
    },
    preClose(done) {
      void sockets.closeAll().then(() => this.websocketServer.close());
      done();
    },
  });
  app.websocketServer.on('wsClientError', (_error, socket) => {
    socket.end(rawError(new UnfoldError('malformed_body', 'This is not a valid WebSocket handshake.')));
  });
};
