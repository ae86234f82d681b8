import { statfs } from 'node:fs/promises';
import type { JobSpec, SystemResource } from '@unfold/contracts';
import type { Database } from '../database.ts';

/** How fast a finished job was trained: its tokens over the time from its start to its end. */
export interface MeasuredSpeed {
  job_id: string;
  engine: string | null;
  device: string | null;
  parameters: number;
  batch_size: number;
  tokens_per_second: number;
}

/** What is kept and how fast things went: read to be shown, nothing hangs on it. */
export interface SystemRepository {
  /** Of one project, but for the whole database's size. */
  usage(project: string): Promise<Pick<SystemResource, 'jobs' | 'storage' | 'database_bytes'>>;
  /** Of the disk that artifacts lie on; null where the machine does not tell. */
  disk(): Promise<SystemResource['disk']>;
  /**
   * Of the jobs of a project that succeeded in one attempt after at least 10 seconds, with this task, this cell and, unless null, this engine, the
   * newest 100; the longest first.
   */
  speeds(
    project: string,
    wanted: { task: JobSpec['task']; cell: JobSpec['model']['cell']; engine: string | null },
  ): Promise<MeasuredSpeed[]>;
}

interface UsageRow {
  queued: number;
  running: number;
  paused: number;
  database_bytes: bigint;
  [kept: `${string}_count` | `${string}_total`]: bigint;
}

/** A shorter run is mostly start-up and evaluation: its tokens per second tell nothing of a longer one. */
const leastSeconds = 10;
/** How many runs that tell something are looked at, the newest. */
const mostMeasured = 100;

export const createSystemRepository = (database: Database, artifactsDir: string): SystemRepository => ({
  usage: (project) =>
    database.run(async (queries) => {
      const [found] = await queries.$queryRaw<[UsageRow]>`
        SELECT pg_database_size(current_database()) AS database_bytes, j.*, f.*, c.*, m.*, s.*
        FROM
          (SELECT count(*) FILTER (WHERE status = 'queued')::int AS queued,
                  count(*) FILTER (WHERE status = 'running')::int AS running,
                  count(*) FILTER (WHERE status = 'paused')::int AS paused
           FROM jobs WHERE project = ${project} AND status IN ('queued', 'running', 'paused')) j,
          (SELECT count(*) AS files_count, coalesce(sum(bytes), 0)::bigint AS files_total
           FROM files WHERE project = ${project}) f,
          (SELECT count(*) AS checkpoints_count, coalesce(sum(bytes), 0)::bigint AS checkpoints_total
           FROM checkpoints WHERE project = ${project}) c,
          (SELECT count(*) AS models_count, coalesce(sum(bytes), 0)::bigint AS models_total
           FROM models WHERE project = ${project}) m,
          (SELECT count(*) AS sessions_count, coalesce(sum(octet_length(state)), 0)::bigint AS sessions_total
           FROM sessions WHERE project = ${project}) s`;
      const kept = (name: keyof SystemResource['storage']) => ({
        count: Number(found[`${name}_count`]),
        bytes: Number(found[`${name}_total`]),
      });
      return {
        jobs: { queued: found.queued, running: found.running, paused: found.paused },
        storage: {
          files: kept('files'),
          checkpoints: kept('checkpoints'),
          models: kept('models'),
          sessions: kept('sessions'),
        },
        database_bytes: Number(found.database_bytes),
      };
    }),

  async disk() {
    const found = await statfs(artifactsDir).catch(() => null);
    return found && { total_bytes: found.blocks * found.bsize, free_bytes: found.bavail * found.bsize };
  },

  speeds: (project, { task, cell, engine }) =>
    database.run(async (queries) => {
      const rows = await queries.$queryRaw<(Omit<MeasuredSpeed, 'parameters'> & { parameters: bigint })[]>`
        SELECT j.id AS job_id, j.engine, j.device, m.parameters, j.batch_size, j.tokens / j.seconds AS tokens_per_second
        FROM (
          SELECT jobs.id, engine, device, model_id, seconds, (h.progress->>'tokens')::float8 AS tokens,
                 (spec->'training'->>'batch_size')::int AS batch_size
          FROM jobs
          -- What was paused or interrupted has waited between its start and its end.
          JOIN job_heads h ON h.job_id = jobs.id AND h.attempt = 1
          CROSS JOIN LATERAL (SELECT extract(epoch FROM ended_at - started_at)::float8 AS seconds) t
          WHERE project = ${project} AND status = 'succeeded' AND seconds >= ${leastSeconds} AND model_id IS NOT NULL
            AND (${engine}::text IS NULL OR engine = ${engine})
            AND spec->>'task' = ${task} AND spec->'model'->>'cell' = ${cell}
          ORDER BY jobs.id DESC LIMIT ${mostMeasured}
        ) j
        JOIN models m ON m.id = j.model_id
        WHERE j.tokens > 0
        ORDER BY j.seconds DESC, j.id DESC`;
      return rows.map((row) => ({ ...row, parameters: Number(row.parameters) }));
    }),
});
