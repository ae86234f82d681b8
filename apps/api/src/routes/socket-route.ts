import { UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import { routeSchema } from '../http/define-route.ts';

interface SocketRoute<P extends z.ZodType, Q extends z.ZodType> {
  url: string;
  summary: string;
  description: string;
  params?: P;
  query?: Q;
  /** Runs before the upgrade: what it throws is answered over HTTP. */
  admit: (request: FastifyRequest) => Promise<void>;
  open: (socket: WebSocket, request: FastifyRequest) => void;
}

const refusePlainRequest = async (): Promise<never> => {
  throw new UnfoldError('upgrade_required', 'expected a WebSocket: this path answers upgrade requests only.');
};

/** Adds a WebSocket route that refuses, with the envelope of every error, before it upgrades. */
export const defineSocketRoute = <P extends z.ZodType, Q extends z.ZodType>(
  app: FastifyInstance,
  route: SocketRoute<P, Q>,
): void => {
  const schema = routeSchema({
    method: 'GET',
    scope: 'read',
    tag: 'Streams',
    ...route,
    response: { 101: { description: 'A WebSocket with the subprotocol `unfold.v1`.' } },
    errors: ['forbidden_origin', 'not_found', 'overloaded', 'upgrade_required'],
  });
  app.route({
    method: 'GET',
    url: route.url,
    schema,
    config: { scope: 'read', socket: true },
    preHandler: async (request) => {
      if (request.ws) await route.admit(request);
    },
    handler: refusePlainRequest,
    wsHandler: route.open,
  });
};

export const noParams = z.strictObject({});
