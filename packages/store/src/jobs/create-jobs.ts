import { type JobResource, UnfoldError, withinField } from '@unfold/contracts';
import type { ArtifactStore } from '../artifact-store.ts';
import type { Database, Statements } from '../database.ts';
import { createOnce } from '../idempotency.ts';
import { newId } from '../new-id.ts';
import { requireJobRoom, requirePossibleJobs, requireStorage } from '../quotas.ts';
import type { CreatedJobs, Idempotency, JobRepository, Quota, StartingJob } from '../repositories.ts';
import { insertJobs, type NewJob } from './insert-jobs.ts';
import { type JobRow, toJobResource, toTicket } from './job-row.ts';
import { createQueueCount, type Reservation } from './queue-count.ts';
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

/** Nobody knows then whether anything was committed. */
const isAway = (error: unknown): boolean => error instanceof UnfoldError && error.code === 'unavailable';

/** How jobs come to be: alone, all or none, or many that have nothing to do with each other. */
export const createCreating = (
  database: Database,
  artifacts: ArtifactStore,
  queueDepth: number,
): Creating => {
  const count = createQueueCount(queueDepth);
  /** What is inserted keeps its places from those that insert beside it until `end`. */
  const insert = async (queries: Statements, jobs: readonly NewJob[]) => {
    const arriving = jobs.map(({ id, spec: { priority } }) => ({ id, priority }));
    const reserved = count.reserve(arriving);
    try {
      const rows = await insertJobs(queries, jobs, queueDepth, reserved);
      return { rows, end: reserved.end };
    } catch (error) {
      // With an answer that was lost they may be in. Too many are no harm: before one is refused, they are counted.
      reserved.end(arriving);
      throw error;
    }
  };

  /** Each with an id of its own; one that PostgreSQL refuses must not take the others along. */
  const insertEach = async (jobs: readonly NewJob[]): Promise<Inserted[]> => {
    try {
      const { rows, end } = await database.run((queries) => insert(queries, jobs));
      end(rows.flatMap((row) => (row instanceof Error ? [] : [row])));
      return rows;
    } catch (error) {
      if (isAway(error) || jobs.length <= 1) return jobs.map(() => error as Error);
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
    let rows: JobRow[] = [];
    let end: Reservation['end'] = () => undefined;
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
        // Of a try that PostgreSQL ended.
        end([]);
        rows = [];
        const once = await createOnce(queries, project, idempotency, async () => {
          await requireJobRoom(queries, quota, jobs.length);
          await requireStorage(queries, quota, 0);
          const inserted = await insert(queries, jobs);
          end = inserted.end;
          rows = requireAll(inserted.rows, nameOf);
          return toAnswer(rows.map(toJobResource));
        });
        return { ...once, enqueue: rows.map(toTicket) };
      });
      created = !answer.replayed;
      return answer;
    } catch (error) {
      // The answer to a commit may be lost with the connection: a copy whose job may exist must stay.
      created = isAway(error);
      throw error;
    } finally {
      end(created ? rows : []);
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

    async createAll(project, jobs, idempotency, quota = null) {
      requirePossibleJobs(jobs.length, quota, queueDepth);
      return createTogether(
        project,
        jobs,
        { idempotency, quota },
        (resources) => resources,
        (error, k) => withinField(error, `jobs[${k}]`),
      );
    },

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
