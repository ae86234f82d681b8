import { keyScopes, type SystemResource, systemResource } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';

const getSystem = async ({ context, project, request }: Call): Promise<SystemResource> => {
  const { store, config } = context;
  const [usage, disk, counts, longestWait] = await Promise.all([
    store.system.usage(project),
    store.system.disk(),
    store.jobs.counts(),
    store.jobs.longestWait(),
  ]);
  return {
    object: 'system',
    project,
    scopes: [...(request.identity?.scopes ?? keyScopes)],
    ...usage,
    queue: { waiting: counts.queued, longest_wait_seconds: longestWait },
    disk,
    limits: {
      upload_bytes: config.limits.uploadBytes,
      model_parameters: config.limits.modelParameters,
      sequence_length: config.limits.sequenceLength,
    },
  };
};

const example: SystemResource = {
  object: 'system',
  project: 'default',
  scopes: [...keyScopes],
  jobs: { queued: 2, running: 1, paused: 0 },
  queue: { waiting: 2, longest_wait_seconds: 31.5 },
  storage: {
    files: { count: 3, bytes: 4_211_903 },
    checkpoints: { count: 8, bytes: 25_211_904 },
    models: { count: 2, bytes: 4_301_232 },
    sessions: { count: 1, bytes: 18_204 },
  },
  database_bytes: 12_091_907,
  disk: { total_bytes: 512_110_190_592, free_bytes: 201_863_462_912 },
  limits: { upload_bytes: 1_073_741_824, model_parameters: 200_000_000, sequence_length: 4096 },
};

/** What the service keeps and has before it. */
export const registerSystemRoute = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/system',
    scope: 'read',
    tag: 'Service',
    summary: 'What the service keeps and has to do',
    description:
      'What your project stores, how long the queue is, how much room is left, and what this server takes at most.',
    response: { 200: systemResource },
    docs: { response: example },
    handler: getSystem,
  });
};
