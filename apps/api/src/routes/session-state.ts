import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { sendDownload } from '../http/download.ts';
import { requireId, sessionParams } from '../http/parameters.ts';
import { ownerOf } from '../sessions/session-call.ts';

const getState = async (call: Call<{ params: z.output<typeof sessionParams> }>) => {
  const { context, project, params, request, reply } = call;
  const id = requireId('session', params.id);
  const state = Buffer.from((await context.store.sessions.state(ownerOf(request, project), id)).state);
  return sendDownload(request, reply, {
    sha256: createHash('sha256').update(state).digest('hex'),
    bytes: state.length,
    type: 'application/octet-stream',
    filename: `${id}.state`,
    open: (range) => state.subarray(range?.start, range && range.end + 1),
  });
};

/** The state of a session, for clients that keep it themselves. */
export const registerSessionStateRoute = (app: FastifyInstance, context: ApiContext): void => {
  const octets = { 'application/octet-stream': { schema: z.string().meta({ format: 'binary' }) } };
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/sessions/:id/state',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'Download the state of a session',
    description:
      'Opaque bytes, some kilobytes, which `POST /v1/sessions` takes in base64 as the `state` of a session of the same model, here or elsewhere. ' +
      'The ETag is their sha256.',
    params: sessionParams,
    response: {
      200: { description: 'The state.', content: octets },
      206: { description: 'The range that was asked for.', content: octets },
      304: { description: 'The client has it already.' },
    },
    errors: ['not_found', 'range_not_satisfiable'],
    handler: getState,
  });
};
