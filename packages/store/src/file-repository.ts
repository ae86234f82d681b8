import { createHash } from 'node:crypto';
import { type FileResource, finalStatuses, UnfoldError } from '@unfold/contracts';
import { type ArtifactStore, removeArtifacts } from './artifact-store.ts';
import { type Database, Prisma } from './database.ts';
import type { File } from './generated/client.ts';
import { createOnce, isKnown } from './idempotency.ts';
import { newId } from './new-id.ts';
import { behind, checkAfter, notFound, toPage, unixSeconds } from './pages.ts';
import { findRoom, type Room, requireStorage } from './quotas.ts';
import type { FileRepository, FileUpload } from './repositories.ts';
import { createUtf8Scan, type TextStatistics } from './utf8-scan.ts';

const number = (value: bigint | null): number | null => (value === null ? null : Number(value));

const toResource = (row: File): FileResource => ({
  id: row.id,
  object: 'file',
  bytes: Number(row.bytes),
  created_at: unixSeconds(row.created_at),
  expires_at: row.expires_at && unixSeconds(row.expires_at),
  filename: row.filename,
  purpose: row.purpose as FileResource['purpose'],
  status: 'processed',
  sha256: row.sha256,
  characters: number(row.characters),
  lines: Number(row.lines),
  invalid_utf8_offset: number(row.invalid_utf8_offset),
});

/** Passes an upload through, counting; a connection that breaks is told apart from a disk that fails. */
async function* observe(
  { upload, limit_bytes }: FileUpload,
  room: Room | null,
  see: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of upload) {
      bytes += chunk.length;
      if (bytes > limit_bytes)
        throw new UnfoldError(
          'payload_too_large',
          `The file is larger than the limit of ${limit_bytes} bytes.`,
          {
            param: 'file',
          },
        );
      if (room !== null && bytes > room.bytes) throw room.refusal;
      see(chunk);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof UnfoldError) throw error;
    throw new UnfoldError('upload_interrupted', `The upload broke off after ${bytes} bytes.`, {
      cause: error,
    });
  }
}

const sweepBatch = 100;

/** No job that is not over reads it. */
const isUnused = Prisma.sql`NOT EXISTS (
  SELECT 1 FROM jobs WHERE (jobs.file = files.id OR jobs.validation_file = files.id)
    AND status <> ALL(${[...finalStatuses]}::text[]))`;

const hashOf = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex');

export const createFileRepository = (database: Database, artifacts: ArtifactStore): FileRepository => {
  const find = async (id: string, project?: string): Promise<File> => {
    const row = await database.run((queries) =>
      queries.file.findFirst({ where: { id, ...(project === undefined ? {} : { project }) } }),
    );
    if (!row) throw notFound('file', id);
    return row;
  };

  /** An upload that was kept before is answered again, whatever is left: it takes nothing. */
  const roomFor = (project: string, { quota = null, idempotency }: FileUpload): Promise<Room | null> =>
    database.run(async (queries) =>
      idempotency && (await isKnown(queries, project, idempotency)) ? null : findRoom(queries, quota),
    );

  const store = async (file: FileUpload, room: Room | null, path: string) => {
    const scan = createUtf8Scan();
    const record = await artifacts.write(
      path,
      observe(file, room, (chunk) => scan.push(chunk)),
    );
    return { ...record, ...scan.end() } satisfies TextStatistics & { path: string };
  };

  return {
    async create(project, file) {
      const id = newId('file');
      const path = `files/${id}`;
      const { filename, idempotency, quota = null } = file;
      const stored = await store(file, await roomFor(project, file), path);
      // Read late, since in a form the purpose may follow the file.
      const { purpose, expires_after = null } = file;
      const request_hash = hashOf([
        ...[filename, purpose, stored.sha256],
        ...(expires_after === null ? [] : [expires_after]),
      ]);
      try {
        const created = await database.prismaTransaction((queries) =>
          createOnce(queries, project, idempotency && { ...idempotency, request_hash }, async () => {
            await requireStorage(queries, quota, stored.bytes);
            const key_id = quota?.key_id ?? null;
            const created_at = new Date();
            const expires_at =
              expires_after === null ? null : new Date(created_at.getTime() + 1000 * expires_after);
            const data = { id, project, filename, purpose, key_id, created_at, expires_at, ...stored };
            return toResource(await queries.file.create({ data }));
          }),
        );
        if (created.replayed) await removeArtifacts(artifacts, [path]);
        return created;
      } catch (error) {
        // The answer to a commit may be lost with the connection: a file whose row may exist must stay.
        if (!(error instanceof UnfoldError && error.code === 'unavailable'))
          await removeArtifacts(artifacts, [path]);
        throw error;
      }
    },

    get: async (project, id) => toResource(await find(id, project)),

    list: (project, { limit, after, order = 'desc', purpose }) =>
      database.run(async (queries) => {
        checkAfter('file', after);
        const rows = await queries.file.findMany({
          where: { project, ...(after ? { id: behind(after, order) } : {}), ...(purpose ? { purpose } : {}) },
          orderBy: { id: order },
          take: limit + 1,
        });
        return toPage(rows, limit, toResource);
      }),

    async remove(project, id) {
      const path = await database.prismaTransaction(async (queries) => {
        // A job that is just being created holds a weaker lock on the row: this waits for it, then sees it.
        const [row] = await queries.$queryRaw<{ path: string }[]>`
          SELECT path FROM files WHERE id = ${id} AND project = ${project} FOR UPDATE`;
        if (!row) throw notFound('file', id);
        const user = await queries.job.findFirst({
          where: { OR: [{ file: id }, { validation_file: id }], status: { notIn: [...finalStatuses] } },
          orderBy: { id: 'desc' },
        });
        if (user)
          throw new UnfoldError('in_use', `File ${id} is used by job ${user.id}, which is ${user.status}.`);
        await queries.file.delete({ where: { id } });
        return row.path;
      });
      await removeArtifacts(artifacts, [path]);
      return { id, object: 'file', deleted: true };
    },

    async removeExpired() {
      const paths = await database.transaction(async (queries) => {
        // Locked first, and looked at then: a job that is just being created holds a lock on its file, and is seen afterwards.
        const due = await queries.$queryRaw<{ id: string }[]>`
          SELECT id FROM files WHERE expires_at <= clock_timestamp() AND ${isUnused}
          ORDER BY expires_at LIMIT ${sweepBatch}::int FOR UPDATE SKIP LOCKED`;
        const removed = await queries.$queryRaw<{ path: string }[]>`
          DELETE FROM files WHERE id = ANY(${due.map(({ id }) => id)}) AND ${isUnused} RETURNING path`;
        return removed.map(({ path }) => path);
      });
      await removeArtifacts(artifacts, paths);
      return paths.length;
    },

    async locate(id) {
      const row = await find(id);
      return {
        id: row.id,
        project: row.project,
        filename: row.filename,
        path: row.path,
        bytes: Number(row.bytes),
        sha256: row.sha256,
        characters: number(row.characters),
        lines: Number(row.lines),
        invalid_utf8_offset: number(row.invalid_utf8_offset),
      };
    },
  };
};
