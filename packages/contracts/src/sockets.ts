import { z } from 'zod';
import { frame } from './frames.ts';
import { jobId } from './ids.ts';
import { jobResource } from './resources.ts';

/** What a client may send on `WS /v1/stream`. */
export const socketRequest = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('subscribe'), job: jobId, after: z.int().min(0).default(0) }),
  z.strictObject({ type: z.literal('unsubscribe'), job: jobId }),
]);
export type SocketRequest = z.output<typeof socketRequest>;

/** What the server sends on `WS /v1/stream` beside frames. */
export const socketMessage = z.union([
  z.object({ type: z.literal('snapshot'), jobs: z.array(jobResource) }),
  z.object({ type: z.literal('subscribed'), job: jobId, head: z.int() }),
  z.object({ type: z.literal('unsubscribed'), job: jobId }),
  frame,
]);
export type SocketMessage = z.infer<typeof socketMessage>;

/** Close codes of the sockets. */
export const closeCodes = {
  finished: 1000,
  restarting: 1001,
  policy: 1008,
  internal: 1011,
  tooSlow: 1013,
} as const;

export const socketProtocol = 'unfold.v1';
export const socketKeyProtocolPrefix = 'unfold.key.';
