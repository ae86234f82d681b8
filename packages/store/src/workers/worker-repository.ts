import type {
  Blocked,
  DeviceClass,
  DeviceResource,
  JobSpec,
  Page,
  PageQuery,
  WorkerResource,
} from '@unfold/contracts';
import { toJson } from '../clean-json.ts';
import { type Database, Prisma } from '../database.ts';
import { behindSql, checkAfter, directionSql, toPage } from '../pages.ts';
import { hasWorker, isAlive, toWorkerResource, type WorkerRow, withoutWorker } from './worker-row.ts';

/** What a worker says of itself. */
export type WorkerReport = Pick<
  WorkerResource,
  'id' | 'host' | 'pid' | 'device' | 'description' | 'memory_bytes' | 'engines'
> & {
  /** On which class of device its TensorFlow.js computes. Default cpu. */
  tfjs?: DeviceClass;
};

/** The processes that train, each as it reports itself. Nothing hangs on this but what people are told. */
export interface WorkerRepository {
  /** A sign of life, which every worker gives each few seconds. Forgets workers that have been silent for long. */
  report(worker: WorkerReport): Promise<void>;
  /** Says goodbye. */
  leave(id: string): Promise<void>;
  /** Those that gave a sign of life lately, newest first. Jobs of other projects are not named. */
  list(project: string, page: PageQuery): Promise<Page<WorkerResource>>;
  /** What they compute on, by host and device. */
  devices(page: PageQuery): Promise<Page<DeviceResource>>;
  /** Why no running worker can take a job of this spec; null: one can. */
  blocked(spec: JobSpec): Promise<Blocked | null>;
}

/** Attempts that are under way, by worker. */
const attempts = Prisma.sql`
  SELECT h.worker, j.id AS job_id, j.project AS job_project
  FROM jobs j JOIN job_heads h ON h.job_id = j.id WHERE j.status = 'running' AND h.owned`;

type DeviceRow = Omit<DeviceResource, 'object' | 'memory_bytes'> & { memory_bytes: bigint | null };

const toDeviceResource = ({ id, memory_bytes, ...row }: DeviceRow): DeviceResource => ({
  id,
  object: 'device',
  ...row,
  memory_bytes: memory_bytes === null ? null : Number(memory_bytes),
});

export const createWorkerRepository = (database: Database): WorkerRepository => ({
  report: ({ id, host, pid, device, description, memory_bytes, engines, tfjs = 'cpu' }) =>
    database.run(async (queries) => {
      await queries.$executeRaw`
        WITH forgotten AS (DELETE FROM workers WHERE seen_at < clock_timestamp() - interval '10 minutes')
        INSERT INTO workers (id, host, pid, device, description, memory_bytes, engines, tfjs)
        VALUES (${id}, ${host}, ${pid}, ${device}, ${description}, ${memory_bytes}::bigint, ${engines}, ${tfjs})
        ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()`;
    }),

  leave: (id) =>
    database.run(async (queries) => {
      await queries.$executeRaw`DELETE FROM workers WHERE id = ${id}`;
    }),

  list: (project, { limit, after, order = 'desc' }) =>
    database.run(async (queries) => {
      checkAfter('worker', after);
      const behind = after ? Prisma.sql`AND ${behindSql(Prisma.sql`w.id`, after, order)}` : Prisma.empty;
      const rows = await queries.$queryRaw<WorkerRow[]>`
        SELECT w.id, w.host, w.pid, w.device, w.description, w.memory_bytes, w.engines, w.started_at, w.seen_at,
               a.job_id, a.job_project FROM workers w LEFT JOIN (${attempts}) a ON a.worker = w.id
        WHERE ${isAlive} ${behind} ORDER BY w.id ${directionSql(order)} LIMIT ${limit + 1}`;
      return toPage(rows, limit, (row) => toWorkerResource(row, project));
    }),

  devices: ({ limit, after, order = 'desc' }) =>
    database.run(async (queries) => {
      checkAfter('device', after);
      const behind = after ? Prisma.sql`WHERE ${behindSql(Prisma.sql`id`, after, order)}` : Prisma.empty;
      const rows = await queries.$queryRaw<DeviceRow[]>`
        SELECT * FROM (
          SELECT 'device-' || md5(concat_ws(chr(10), host, device, description)) AS id, host, device, description,
                 max(memory_bytes) AS memory_bytes, max(engines) AS engines, count(*)::int AS workers, count(a.job_id)::int AS busy
          FROM workers w LEFT JOIN (${attempts}) a ON a.worker = w.id
          WHERE ${isAlive} GROUP BY host, device, description
        ) d ${behind} ORDER BY id ${directionSql(order)} LIMIT ${limit + 1}`;
      return toPage(rows, limit, toDeviceResource);
    }),

  blocked: (spec) =>
    database.run(async (queries) => {
      const [found] = await queries.$queryRaw<[{ served: boolean }]>`
        SELECT ${hasWorker(Prisma.sql`asked.spec`)} AS served FROM (SELECT ${toJson(spec)}::json AS spec) asked`;
      return found.served ? null : withoutWorker(spec);
    }),
});
