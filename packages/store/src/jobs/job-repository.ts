import { isFinal, type JobStatus, jobStatuses, UnfoldError } from '@unfold/contracts';
import type { ArtifactStore } from '../artifact-store.ts';
import { toJson } from '../clean-json.ts';
import { type Database, Prisma } from '../database.ts';
import { behindSql, checkAfter, directionSql, notFound, toPage } from '../pages.ts';
import type { JobRepository } from '../repositories.ts';
import { createCreating } from './create-jobs.ts';
import { createClaim, createFinish } from './job-attempts.ts';
import { lockJob } from './job-changes.ts';
import { createRequest, createResume } from './job-requests.ts';
import { findJob, selectPage, type TicketRow, toJobResource, toTicket } from './job-row.ts';

/** A log of millions of frames takes a while to delete. */
const removalTimeout_ms = 600_000;

const ticketsOf = async (database: Database, condition: Prisma.Sql) => {
  const rows = await database.run(
    (queries) =>
      queries.$queryRaw<TicketRow[]>`
      SELECT j.id, h.enqueue_count, j.priority, j.traceparent,
             json_build_object('engine', j.spec->'engine', 'device', j.spec->'device',
                               'training', json_build_object('precision', j.spec->'training'->'precision')) AS spec
      FROM jobs j JOIN job_heads h ON h.job_id = j.id
      WHERE ${condition} ORDER BY j.priority DESC, j.queued_at, j.id`,
  );
  return rows.map(toTicket);
};

export const createJobRepository = (
  database: Database,
  artifacts: ArtifactStore,
  queueDepth: number,
): JobRepository => ({
  ...createCreating(database, artifacts, queueDepth),

  async get(project, id) {
    const job = await database.run((queries) => findJob(queries, id, project));
    if (!job) throw notFound('job', id);
    return toJobResource(job);
  },

  list: (project, { limit, after, order = 'desc', status, metadata }) =>
    database.run(async (queries) => {
      checkAfter('job', after);
      const conditions = [Prisma.sql`j.project = ${project}`];
      if (after) conditions.push(behindSql(Prisma.sql`j.id`, after, order));
      if (status) conditions.push(Prisma.sql`j.status = ${status}`);
      if (metadata === null) conditions.push(Prisma.sql`j.metadata = '{}'::jsonb`);
      else if (metadata && Object.keys(metadata).length > 0)
        conditions.push(Prisma.sql`j.metadata @> ${toJson(metadata)}::jsonb`);
      const rows = await selectPage(queries, conditions, directionSql(order), limit + 1);
      return toPage(rows, limit, toJobResource);
    }),

  request: createRequest(database),
  resume: createResume(database),

  async remove(project, id) {
    const kept = await database.transaction(async (queries) => {
      const job = await lockJob(queries, id, project);
      if (!job) throw notFound('job', id);
      if (!isFinal(job.status))
        throw new UnfoldError('wrong_state', `Job ${id} is ${job.status}: cancel it before it is deleted.`);
      const models = await queries.$queryRaw<{ path: string }[]>`
        SELECT path FROM models WHERE job_id = ${id}`;
      await queries.$executeRaw`DELETE FROM events WHERE job_id = ${id}`;
      await queries.$executeRaw`DELETE FROM jobs WHERE id = ${id}`;
      return models.map(({ path }) => path);
    }, removalTimeout_ms);
    // Its checkpoints, and what a killed worker may have written without recording it. What cannot be removed only
    // wastes space, so it stops nobody.
    await artifacts.removeFolder(`jobs/${id}`, kept).catch(() => undefined);
    return { id, object: 'training.job', deleted: true };
  },

  queued: () => ticketsOf(database, Prisma.sql`j.status = 'queued'`),

  abandoned: (silent_ms) =>
    ticketsOf(
      database,
      Prisma.sql`j.status = 'running'
        AND h.heartbeat_at < clock_timestamp() - make_interval(secs => ${silent_ms / 1000}::float8)`,
    ),

  keepTrace: (ids, traceparent) =>
    database.run(async (queries) => {
      await queries.$executeRaw`UPDATE jobs SET traceparent = ${traceparent} WHERE id = ANY (${ids}::text[])`;
    }),

  async counts() {
    const rows = await database.run((queries) =>
      queries.job.groupBy({ by: ['status'], _count: { _all: true } }),
    );
    const counted = new Map(rows.map((row) => [row.status, row._count._all]));
    return Object.fromEntries(jobStatuses.map((status) => [status, counted.get(status) ?? 0])) as Record<
      JobStatus,
      number
    >;
  },

  longestWait: () =>
    database.run(async (queries) => {
      const [row] = await queries.$queryRaw<{ seconds: number }[]>`
        SELECT coalesce(extract(epoch FROM clock_timestamp() - min(queued_at)), 0)::float8 AS seconds
        FROM jobs WHERE status = 'queued'`;
      return Math.max(0, row?.seconds ?? 0);
    }),

  claim: createClaim(database),
  finish: createFinish(database),
});
