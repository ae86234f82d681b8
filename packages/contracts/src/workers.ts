import { z } from 'zod';
import { deviceId, jobId, workerId } from './ids.ts';
import { listOf } from './resources.ts';
import { deviceClasses, engineNames } from './spec/demand.ts';

const device = {
  host: z.string().meta({ description: 'The name of the machine.' }),
  device: z.enum(deviceClasses),
  description: z.string().meta({ description: 'What the device is called.' }),
  memory_bytes: z
    .int()
    .nullable()
    .meta({ description: 'What training may use of it; null where the driver does not tell.' }),
  engines: z.array(z.enum(engineNames)).meta({ description: 'The first is what `auto` takes.' }),
};

export const workerResource = z
  .object({
    id: workerId,
    object: z.literal('worker'),
    ...device,
    pid: z.int(),
    status: z.enum(['idle', 'busy']),
    job_id: jobId.nullable().meta({ description: 'What it trains, if that is a job of your project.' }),
    started_at: z.iso.datetime(),
    seen_at: z.iso.datetime().meta({ description: 'Its last sign of life.' }),
  })
  .meta({ id: 'Worker', description: 'A running process that trains, on a device of its own.' });
export type WorkerResource = z.infer<typeof workerResource>;
export const workerList = listOf(workerResource, 'WorkerList');

export const deviceResource = z
  .object({
    id: deviceId,
    object: z.literal('device'),
    ...device,
    workers: z.int().meta({ description: 'Running processes that share it.' }),
    busy: z.int().meta({ description: 'Those of them that train.' }),
  })
  .meta({ id: 'Device', description: 'What the running workers compute on.' });
export type DeviceResource = z.infer<typeof deviceResource>;
export const deviceList = listOf(deviceResource, 'DeviceList');
