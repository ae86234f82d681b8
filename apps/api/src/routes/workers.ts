import {
  type DeviceResource,
  deviceList,
  pageQuery,
  type WorkerResource,
  workerList,
} from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';

type ListCall = Call<{ query: z.output<typeof pageQuery> }>;

const listWorkers = ({ context, project, query }: ListCall) => context.store.workers.list(project, query);
const listDevices = ({ context, query }: ListCall) => context.store.workers.devices(query);

const device = {
  host: 'tower',
  device: 'cpu',
  description: 'AMD EPYC 7763 64-Core Processor',
  memory_bytes: 34_359_738_368,
  engines: ['native', 'reference'],
} satisfies Partial<DeviceResource>;

const workerExample: WorkerResource = {
  id: 'worker-0192f0c1a2b37d4e8f90a1b2c3d4e5f6',
  object: 'worker',
  ...device,
  pid: 4242,
  status: 'idle',
  job_id: null,
  started_at: '2026-11-22T10:00:00.000Z',
  seen_at: '2026-11-22T10:05:00.000Z',
};

const deviceExample: DeviceResource = {
  id: 'device-5f0c1a2b37d4e8f90a1b2c3d4e5f6a7b',
  object: 'device',
  ...device,
  workers: 1,
  busy: 0,
};

/** What there is to train on. */
export const registerWorkerRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/workers',
    scope: 'read',
    tag: 'Workers',
    summary: 'List the running workers',
    description:
      'Newest first. A worker reports itself every few seconds; one that has been silent for 20 is gone.',
    query: pageQuery,
    response: { 200: workerList },
    docs: { response: { object: 'list', data: [workerExample], has_more: false } },
    handler: listWorkers,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/devices',
    scope: 'read',
    tag: 'Workers',
    summary: 'List what the running workers compute on',
    description:
      'By host and device. A job asks for a kind of device by `device`, or for an engine by `engine`.',
    query: pageQuery,
    response: { 200: deviceList },
    docs: { response: { object: 'list', data: [deviceExample], has_more: false } },
    handler: listDevices,
  });
};
