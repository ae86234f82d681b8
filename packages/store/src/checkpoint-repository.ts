import type { CheckpointResource } from '@unfold/contracts';
import { type ArtifactStore, removeArtifacts } from './artifact-store.ts';
import type { Database, Queries } from './database.ts';
import type { Checkpoint } from './generated/client.ts';
import { appendLocked, lockClaimed } from './jobs/job-changes.ts';
import { newId } from './new-id.ts';
import { behind, notFound, toPage, unknownAfter } from './pages.ts';
import type { CheckpointRepository } from './repositories.ts';

type Values = Record<string, number | null>;

/** An evaluation at a checkpoint's step is among so many metric frames before it. */
const nearbyFrames = 100;
/** So many of the newest are kept, besides the best and the last. */
const keptNewest = 3;

const toResource = (row: Checkpoint): CheckpointResource => ({
  id: row.id,
  object: 'training.checkpoint',
  job_id: row.job_id,
  attempt: row.attempt,
  step: row.step,
  validation_loss: row.validation_loss,
  best: row.best,
  bytes: Number(row.bytes),
  sha256: row.sha256,
  created_at: row.created_at.toISOString(),
});

/** Removes the rows of those that are not kept; answers their files. */
const prune = async (queries: Queries, jobId: string): Promise<string[]> => {
  const rows = await queries.$queryRaw<{ path: string }[]>`
    DELETE FROM checkpoints WHERE job_id = ${jobId} AND NOT best AND NOT last AND id NOT IN
      (SELECT id FROM checkpoints WHERE job_id = ${jobId} ORDER BY seq DESC LIMIT ${keptNewest}::int)
    RETURNING path`;
  return rows.map(({ path }) => path);
};

/** A new checkpoint is progress only if it is ahead of every one before it. */
const countProgress = async (queries: Queries, jobId: string, step: number): Promise<void> => {
  const furthest = await queries.checkpoint.aggregate({ where: { job_id: jobId }, _max: { step: true } });
  const ahead = step > (furthest._max.step ?? -1);
  await queries.$executeRaw`
    UPDATE job_heads SET heartbeat_at = clock_timestamp(),
      attempts_without_checkpoint = CASE WHEN ${ahead} THEN 0 ELSE attempts_without_checkpoint END
    WHERE job_id = ${jobId}`;
};

export const createCheckpointRepository = (
  database: Database,
  artifacts: ArtifactStore,
): CheckpointRepository => ({
  async record(claim, checkpoint) {
    const recorded = await database.prismaTransaction(async (queries) => {
      const job = await lockClaimed(queries, claim);
      if (!job) return null;
      const { id = newId('ckpt'), step, best, last } = checkpoint;
      await countProgress(queries, job.id, step);
      const seq = await appendLocked(queries, job.id, [{ type: 'checkpoint', step, checkpoint_id: id }]);
      const flags = { ...(best ? { best: false } : {}), ...(last ? { last: false } : {}) };
      if (best || last) await queries.checkpoint.updateMany({ where: { job_id: job.id }, data: flags });
      const row = await queries.checkpoint.create({
        data: { ...checkpoint, id, seq, project: job.project, job_id: job.id, attempt: claim.attempt },
      });
      return { row, pruned: await prune(queries, job.id) };
    });
    if (!recorded) return null;
    await removeArtifacts(artifacts, recorded.pruned);
    return toResource(recorded.row);
  },

  list: (project, job_id, { limit, after, order = 'desc' }) =>
    database.run(async (queries) => {
      const job = await queries.job.findFirst({ where: { id: job_id, project }, select: { id: true } });
      if (!job) throw notFound('job', job_id);
      const from = after ? await queries.checkpoint.findFirst({ where: { id: after, job_id } }) : null;
      if (after && !from) throw unknownAfter('the id of a checkpoint of this job', after);
      const rows = await queries.checkpoint.findMany({
        where: { job_id, ...(from ? { seq: behind(from.seq, order) } : {}) },
        orderBy: { seq: order },
        take: limit + 1,
      });
      return toPage(rows, limit, toResource);
    }),

  async get(project, id) {
    const row = await database.run((queries) => queries.checkpoint.findFirst({ where: { id, project } }));
    if (!row) throw notFound('checkpoint', id);
    return toResource(row);
  },

  metrics: (ids) =>
    database.run(async (queries) => {
      const rows = await queries.$queryRaw<
        { id: string; trained: Values | null; evaluated: Values | null }[]
      >`
        SELECT c.id, trained.values AS trained, evaluated.values AS evaluated
        FROM checkpoints c
        LEFT JOIN LATERAL (
          SELECT body->'values' AS values FROM events
          WHERE job_id = c.job_id AND type = 'metric' AND seq < c.seq AND body->'values'->'loss' IS NOT NULL
          ORDER BY seq DESC LIMIT 1
        ) trained ON true
        LEFT JOIN LATERAL (
          SELECT body->'values' AS values FROM (
            SELECT body, step FROM events
            WHERE job_id = c.job_id AND type = 'metric' AND seq < c.seq ORDER BY seq DESC LIMIT ${nearbyFrames}::int
          ) nearby
          WHERE step = c.step AND body->'values'->'validation_loss' IS NOT NULL LIMIT 1
        ) evaluated ON true
        WHERE c.id = ANY(${[...ids]})`;
      return new Map(rows.map(({ id, trained, evaluated }) => [id, { ...trained, ...evaluated }]));
    }),
});
