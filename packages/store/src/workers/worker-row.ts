import {
  type Blocked,
  type Demand,
  deviceOfEngine,
  enginesOfPrecision,
  type WorkerResource,
} from '@unfold/contracts';
import { toJson } from '../clean-json.ts';
import { Prisma } from '../database.ts';

/** A worker that has been silent for this long is gone: it reports every few seconds. */
const lostAfter = Prisma.sql`interval '20 seconds'`;

export const isAlive = Prisma.sql`seen_at > clock_timestamp() - ${lostAfter}`;

/**
 * Whether a running worker has what a spec, an expression of type json, demands: the device that its queue is for, and an engine that
 * `placement` would take there. Whatever has a GPU has a processor too.
 */
export const hasWorker = (spec: Prisma.Sql): Prisma.Sql => Prisma.sql`
  EXISTS (SELECT FROM workers, unnest(engines) AS has(engine) WHERE ${isAlive}
    AND (device = 'gpu' OR ${spec}->>'device' IS DISTINCT FROM 'gpu')
    AND ${spec}->>'engine' IN ('auto', has.engine)
    AND ${toJson(enginesOfPrecision)}::jsonb->coalesce(${spec}->'training'->>'precision', 'fp32') @> to_jsonb(has.engine)
    AND coalesce(${spec}->>'device' = coalesce(${toJson(deviceOfEngine)}::json->>has.engine, tfjs), true))`;

/** What is said of a spec that no running worker can serve. */
export const withoutWorker = ({ engine, device, training: { precision } }: Demand): Blocked => {
  const code = 'no_worker';
  if (engine !== 'auto')
    return {
      code,
      message: `No running worker${device === 'gpu' ? ' with a gpu' : ''} has the engine ${JSON.stringify(engine)}: the job begins when one is started.`,
      param: 'engine',
    };
  if (precision !== 'fp32')
    return {
      code,
      message: `No running worker${device === null ? '' : ` with a ${device}`} has an engine for the precision ${precision}: the job begins when one is started.`,
      param: 'training.precision',
    };
  const message = device === null ? 'No worker is running' : `No running worker has a ${device}`;
  return { code, message: `${message}: the job begins when one is started.`, param: device && 'device' };
};

/** A worker and the job that it trains. */
export interface WorkerRow {
  id: string;
  host: string;
  pid: number;
  device: WorkerResource['device'];
  description: string;
  memory_bytes: bigint | null;
  engines: WorkerResource['engines'];
  started_at: Date;
  seen_at: Date;
  job_id: string | null;
  job_project: string | null;
}

/** @param project whose jobs may be named */
export const toWorkerResource = (row: WorkerRow, project: string): WorkerResource => ({
  id: row.id,
  object: 'worker',
  host: row.host,
  device: row.device,
  description: row.description,
  memory_bytes: row.memory_bytes === null ? null : Number(row.memory_bytes),
  engines: row.engines,
  pid: row.pid,
  status: row.job_id === null ? 'idle' : 'busy',
  job_id: row.job_project === project ? row.job_id : null,
  started_at: row.started_at.toISOString(),
  seen_at: row.seen_at.toISOString(),
});
