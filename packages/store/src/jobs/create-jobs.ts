import { type JobResource, UnfoldError, withinField } from '@unfold/contracts';
import type { ArtifactStore } from '../artifact-store.ts';
import type { Database, Statements } from '../database.ts';
import { createOnce } from '../idempotency.ts';
import { newId } from '../new-id.ts';
import { requireJobRoom, requireStorage } from '../quotas.ts';
import type { CreatedJobs, Idempotency, JobRepository, Quota, StartingJob } from '../repositories.ts';
import { insertJobs, type NewJob } from './insert-jobs.ts';
import { type JobRow, toJobResource, toTicket } from './job-row.ts';
import { createQueueCount } from './queue-count.ts';
import { copyStartWeights } from './start-weights.ts';

type Creating = Pick<JobRepository, 'create' | 'createAll' | 'createMany'>;

/** Its row, or why PostgreSQL or the rules refused it. */
type Inserted = JobRow | Error;

const requireAll = (inserted: readonly Inserted[], nameOf: (error: UnfoldError, k: number) => UnfoldError) =>
  inserted.map((row, k) => {
    if (row instanceof UnfoldError) throw nameOf(row, k);
    if (row instanceof Error) throw row;
    return row;
  });

/** How jobs come to be: alone, all or none, or many that have nothing to do with each other. */
export const createCreating = (
  database: Database,
  artifacts: ArtifactStore,
  queueDepth: number,
): Creating => {
  const count = createQueueCount(queueDepth);
  const insert = (queries: Statements, jobs: readonly NewJob[]) =>
    insertJobs(queries, jobs, queueDepth, count);

  /** Each with an id of its own; one that PostgreSQL refuses must not take the others along. */
  const insertEach = async (jobs: readonly NewJob[]): Promise<Inserted[]> => {
    try {
      return await database.run((queries) => insert(queries, jobs));
    } catch (error) {
      const isAway = error instanceof UnfoldError && error.code === 'unavailable';
      if (isAway || jobs.length <= 1) return jobs.map(() => error as Error);
      return (await Promise.all(jobs.map((job) => insertEach([job])))).flat();
    }
  };

  /** All or none, in one transaction, with the weights that they start from. */
  const createTogether = async <T>(
    project: string,
    asked: readonly StartingJob[],
    { idempotency, quota }: { idempotency: Idempotency | undefined; quota: Quota | null },
    toAnswer: (jobs: JobResource[]) => T,
    nameOf: (error: UnfoldError, k: number) => UnfoldError,
  ): Promise<CreatedJobs<T>> => {
    const jobs = asked.map(({ spec }) => ({
      id: newId('job'),
      project,
      spec,
      key_id: quota?.key_id ?? null,
    }));
    const withWeights: string[] = [];
    let created = false;
    try {
      for (const [k, { start }] of asked.entries()) {
        if (!start) continue;
        const { id } = jobs[k]!;
        withWeights.push(id);
        await copyStartWeights(artifacts, id, start).catch((error: unknown) => {
          throw error instanceof UnfoldError ? nameOf(error, k) : error;
        });
      }
      const answer = await database.transaction(async (queries) => {
        let rows: JobRow[] = [];
        const once = await createOnce(queries, project, idempotency, async () => {
          await requireJobRoom(queries, quota, jobs.length);
          await requireStorage(queries, quota, 0);
          rows = requireAll(await insert(queries, jobs), nameOf);
          return toAnswer(rows.map(toJobResource));
        });
        return { ...once, enqueue: rows.map(toTicket) };
      });
      created = !answer.replayed;
      return answer;
    } catch (error) {
      // The answer to a commit may be lost with the connection: a copy whose job may exist must stay.
      created = error instanceof UnfoldError && error.code === 'unavailable';
      throw error;
    } finally {
      if (!created)
        for (const id of withWeights) await artifacts.removeFolder(`jobs/${id}`, []).catch(() => undefined);
    }
  };

  return {
    async create(project, spec, idempotency, start = null, quota = null) {
      const { enqueue, ...once } = await createTogether(
        project,
        [{ spec, start }],
        { idempotency, quota },
        ([job]) => job as JobResource,
        (error) => error,
      );
      return { ...once, enqueue: enqueue[0] ?? null };
    },

    createAll: (project, jobs, idempotency, quota = null) =>
      createTogether(
        project,
        jobs,
        { idempotency, quota },
        (resources) => resources,
        (error, k) => withinField(error, `jobs[${k}]`),
      ),

    async createMany(jobs) {
      const inserted = await insertEach(jobs.map((job) => ({ id: newId('job'), ...job })));
      return inserted.map((row) =>
        row instanceof Error
          ? row
          : { resource: toJobResource(row), replayed: false, enqueue: toTicket(row) },
      );
    },
  };
};
