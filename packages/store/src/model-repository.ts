import { type JobSpec, type ModelResource, UnfoldError } from '@unfold/contracts';
import { type ArtifactStore, removeArtifacts } from './artifact-store.ts';
import { type Database, Prisma, type Queries } from './database.ts';
import type { Checkpoint, Job, Model } from './generated/client.ts';
import { createOnce } from './idempotency.ts';
import { newId } from './new-id.ts';
import { behind, checkAfter, toPage, unixSeconds } from './pages.ts';
import { requireStorage } from './quotas.ts';
import type { ModelRepository } from './repositories.ts';

type CheckpointOfJob = Checkpoint & { job: Job };
type Found = { kind: 'model'; row: Model } | { kind: 'checkpoint'; row: CheckpointOfJob };

const fromModel = (row: Model): ModelResource => ({
  id: row.id,
  object: 'model',
  created: unixSeconds(row.created_at),
  owned_by: row.project,
  name: row.name,
  job_id: row.job_id,
  spec: row.spec as JobSpec | null,
  parameters: Number(row.parameters),
  vocabulary_size: row.vocabulary_size,
  bytes: Number(row.bytes),
  sha256: row.sha256,
  step: row.step,
  validation_loss: row.validation_loss,
});

/** A checkpoint seen as a model: it answers to its id, never to the job's name. */
const fromCheckpoint = (row: CheckpointOfJob): ModelResource => ({
  id: row.id,
  object: 'model',
  created: unixSeconds(row.created_at),
  owned_by: row.project,
  name: null,
  job_id: row.job_id,
  spec: row.job.spec as unknown as JobSpec,
  parameters: Number(row.parameters ?? 0),
  vocabulary_size: row.vocabulary_size ?? 0,
  bytes: Number(row.bytes),
  sha256: row.sha256,
  step: row.step,
  validation_loss: row.validation_loss,
});

const unknownModel = (reference: string): UnfoldError =>
  new UnfoldError('not_found', `No model is called ${JSON.stringify(reference.slice(0, 100))}.`, {
    param: 'model',
  });

/** An id or a name: no name looks like an id. */
const findModel = async (queries: Queries, project: string, reference: string): Promise<Found | null> => {
  if (reference.startsWith('ckpt-')) {
    const row = await queries.checkpoint.findFirst({
      where: { id: reference, project },
      include: { job: true },
    });
    if (row) return { kind: 'checkpoint', row };
  }
  const row =
    (await queries.model.findFirst({ where: { id: reference, project } })) ??
    (await queries.model.findFirst({ where: { name: reference, project }, orderBy: { id: 'desc' } }));
  return row && { kind: 'model', row };
};

export const createModelRepository = (database: Database, artifacts: ArtifactStore): ModelRepository => {
  const find = async (project: string, reference: string): Promise<Found> => {
    const found = await database.run((queries) => findModel(queries, project, reference));
    if (!found) throw unknownModel(reference);
    return found;
  };

  return {
    async create(project, { id = newId('model'), spec, quota = null, ...model }, idempotency) {
      const { created, unused } = await database.prismaTransaction(async (queries) => {
        const created = await createOnce(queries, project, idempotency, async () => {
          await requireStorage(queries, quota, model.bytes);
          const key_id = quota?.key_id ?? null;
          return fromModel(
            await queries.model.create({
              data: { ...model, id, project, key_id, spec: spec ?? Prisma.DbNull },
            }),
          );
        });
        const user = created.replayed ? await queries.model.findFirst({ where: { path: model.path } }) : null;
        return { created, unused: created.replayed && !user };
      });
      if (unused) await removeArtifacts(artifacts, [model.path]);
      return created;
    },

    async get(project, reference) {
      const found = await find(project, reference);
      return found.kind === 'model' ? fromModel(found.row) : fromCheckpoint(found.row);
    },

    list: (project, { limit, after, order = 'desc' }) =>
      database.run(async (queries) => {
        checkAfter('model', after);
        const rows = await queries.model.findMany({
          where: { project, ...(after ? { id: behind(after, order) } : {}) },
          orderBy: { id: order },
          take: limit + 1,
        });
        return toPage(rows, limit, fromModel);
      }),

    async remove(project, reference) {
      const { kind, row } = await find(project, reference);
      if (kind === 'checkpoint')
        throw new UnfoldError(
          'invalid_value',
          `${row.id} is a checkpoint of job ${row.job_id}: it is deleted with its job.`,
          { param: 'model' },
        );
      const { count } = await database.run((queries) => queries.model.deleteMany({ where: { id: row.id } }));
      if (count === 0) throw unknownModel(reference);
      await removeArtifacts(artifacts, [row.path]);
      return { id: row.id, object: 'model', deleted: true };
    },

    async locate(project, reference) {
      const { kind, row } = await find(project, reference);
      return { id: row.id, kind, path: row.path, bytes: Number(row.bytes), sha256: row.sha256 };
    },
  };
};
