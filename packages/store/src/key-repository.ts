import { createHash, randomBytes } from 'node:crypto';
import { type KeyLimits, type KeyResource, type KeyScope, keyScopes } from '@unfold/contracts';
import type { Database } from './database.ts';
import type { ApiKey } from './generated/client.ts';
import { createOnce } from './idempotency.ts';
import { newId } from './new-id.ts';
import { behind, checkAfter, notFound, toPage } from './pages.ts';
import type { KeyRepository } from './repositories.ts';

/**
 * A plain hash is enough, since a secret of 256 random bits cannot be guessed. Looking it up by its hash gives away no
 * prefix of the secret through timing.
 */
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

const newSecret = (): string => `unfold-${randomBytes(32).toString('base64url')}`;

const noLimits: KeyLimits = {
  requests_per_minute: null,
  tokens_per_minute: null,
  concurrent_jobs: null,
  stored_bytes: null,
};

const limitsOf = ({ limits }: ApiKey): KeyLimits => ({ ...noLimits, ...(limits as Partial<KeyLimits>) });

const toResource = (row: ApiKey): KeyResource => ({
  id: row.id,
  object: 'api_key',
  name: row.name,
  project: row.project,
  scopes: row.scopes as KeyScope[],
  limits: limitsOf(row),
  created_at: row.created_at.toISOString(),
  last_used_at: row.last_used_at?.toISOString() ?? null,
});

const withoutSecret = ({ key: _, ...resource }: KeyResource): KeyResource => resource;

export const createKeyRepository = (database: Database): KeyRepository => ({
  create: ({ name, project, scopes, limits = noLimits }, idempotency) =>
    database.prismaTransaction((queries) =>
      createOnce(
        queries,
        project,
        idempotency,
        async () => {
          const key = newSecret();
          const data = {
            id: newId('key'),
            name,
            project,
            scopes: [...new Set(scopes)],
            hash: hashOf(key),
            limits: { ...limits },
          };
          return { ...toResource(await queries.apiKey.create({ data })), key };
        },
        withoutSecret,
      ),
    ),

  list: (project, { limit, after, order = 'desc' }) =>
    database.run(async (queries) => {
      const within = project === null ? {} : { project };
      checkAfter('key', after);
      const rows = await queries.apiKey.findMany({
        where: { ...within, ...(after ? { id: behind(after, order) } : {}) },
        orderBy: { id: order },
        take: limit + 1,
      });
      return toPage(rows, limit, toResource);
    }),

  async revoke(id) {
    await database.prismaTransaction(async (queries) => {
      const { count } = await queries.apiKey.deleteMany({ where: { id } });
      if (count === 0) throw notFound('key', id);
      // Nobody else may use them.
      await queries.session.deleteMany({ where: { key_id: id } });
    });
    return { id, object: 'api_key', deleted: true };
  },

  authenticate: (secret) =>
    database.run(async (queries) => {
      const row = await queries.apiKey.findUnique({ where: { hash: hashOf(secret) } });
      if (!row) return null;
      // Once a minute at most: a busy key would otherwise write with every request.
      if (!row.last_used_at || Date.now() - row.last_used_at.getTime() > 60_000)
        await queries.$executeRaw`
          UPDATE api_keys SET last_used_at = now()
          WHERE id = ${row.id} AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`;
      return {
        id: row.id,
        name: row.name,
        project: row.project,
        scopes: row.scopes as KeyScope[],
        limits: limitsOf(row),
      };
    }),

  any: () =>
    database.run(async (queries) => (await queries.apiKey.findFirst({ select: { id: true } })) !== null),

  bootstrap: (secret) =>
    database.prismaTransaction(async (queries) => {
      const hash = hashOf(secret);
      await queries.apiKey.deleteMany({ where: { from_configuration: true, hash: { not: hash } } });
      const scopes = [...keyScopes];
      await queries.$executeRaw`
        INSERT INTO api_keys (id, name, project, scopes, hash, from_configuration)
        VALUES (${newId('key')}, 'UNFOLD_ADMIN_KEY', 'default', ${scopes}, ${hash}, true)
        ON CONFLICT (hash) DO UPDATE SET from_configuration = true, scopes = EXCLUDED.scopes`;
    }),
});
