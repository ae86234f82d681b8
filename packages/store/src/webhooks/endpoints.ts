import { randomBytes } from 'node:crypto';
import {
  UnfoldError,
  type WebhookEndpointChange,
  type WebhookEndpointRequest,
  type WebhookEndpointResource,
} from '@unfold/contracts';
import type { Database, Queries } from '../database.ts';
import type { WebhookEndpoint } from '../generated/client.ts';
import { createOnce } from '../idempotency.ts';
import { newId } from '../new-id.ts';
import { behind, checkAfter, notFound, toPage, unixSeconds } from '../pages.ts';
import type { SecretBox } from './secret-box.ts';
import type { WebhookRepository } from './webhooks.ts';

/** For so long what was signed with the secret before is signed with it too. */
const overlap_ms = 24 * 3600 * 1000;

/** Standard Webhooks: 24 to 64 random bytes behind a prefix. */
const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

const toResource = (row: WebhookEndpoint): WebhookEndpointResource => ({
  id: row.id,
  object: 'webhook_endpoint',
  url: row.url,
  events: row.events as WebhookEndpointResource['events'],
  description: row.description,
  metadata: row.metadata as Record<string, string>,
  enabled: row.enabled,
  created_at: unixSeconds(row.created_at),
});

const withoutSecret = ({ secret: _, ...resource }: WebhookEndpointResource): WebhookEndpointResource =>
  resource;

export const findEndpoint = async (
  queries: Queries,
  project: string,
  id: string,
): Promise<WebhookEndpoint> => {
  const row = await queries.webhookEndpoint.findFirst({ where: { id, project } });
  if (!row) throw notFound('webhook endpoint', id, 'id');
  return row;
};

const checkNumber = async (queries: Queries, project: string, limit: number): Promise<void> => {
  // One at a time, so that two cannot take the last place.
  await queries.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`webhooks of ${project}`}, 0))::text`;
  const count = await queries.webhookEndpoint.count({ where: { project } });
  if (count >= limit)
    throw new UnfoldError(
      'limit_exceeded',
      `This project has ${count} webhook endpoints, and may have at most ${limit}: delete one first.`,
    );
};

type Endpoints = Pick<WebhookRepository, 'create' | 'list' | 'get' | 'change' | 'remove' | 'rotateSecret'>;

/** The endpoints themselves. */
export const createEndpoints = (database: Database, box: SecretBox): Endpoints => ({
  create: (project, { url, events, description, metadata }: WebhookEndpointRequest, limit, idempotency) =>
    database.prismaTransaction((queries) =>
      createOnce(
        queries,
        project,
        idempotency,
        async () => {
          await checkNumber(queries, project, limit);
          const id = newId('we');
          const secret = newSecret();
          const data = { id, project, url, events, description, metadata, secret: box.seal(secret, id) };
          return { ...toResource(await queries.webhookEndpoint.create({ data })), secret };
        },
        withoutSecret,
      ),
    ),

  list: (project, { limit, after, order = 'desc' }) =>
    database.run(async (queries) => {
      checkAfter('we', after);
      const rows = await queries.webhookEndpoint.findMany({
        where: { project, ...(after ? { id: behind(after, order) } : {}) },
        orderBy: { id: order },
        take: limit + 1,
      });
      return toPage(rows, limit, toResource);
    }),

  get: (project, id) => database.run(async (queries) => toResource(await findEndpoint(queries, project, id))),

  change: (project, id, { url, events, description, metadata, enabled }: WebhookEndpointChange) =>
    database.prismaTransaction(async (queries) => {
      await findEndpoint(queries, project, id);
      const data = { url, events, description, metadata, enabled };
      const given = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
      return toResource(await queries.webhookEndpoint.update({ where: { id }, data: given }));
    }),

  remove: (project, id) =>
    database.run(async (queries) => {
      const { count } = await queries.webhookEndpoint.deleteMany({ where: { id, project } });
      if (count === 0) throw notFound('webhook endpoint', id, 'id');
      return { id, object: 'webhook_endpoint', deleted: true };
    }),

  rotateSecret: (project, id) =>
    database.prismaTransaction(async (queries) => {
      await queries.$queryRaw`SELECT id FROM webhook_endpoints WHERE id = ${id} FOR UPDATE`;
      const { secret: previous } = await findEndpoint(queries, project, id);
      const secret = newSecret();
      const row = await queries.webhookEndpoint.update({
        where: { id },
        data: {
          secret: box.seal(secret, id),
          previous_secret: previous,
          previous_secret_until: new Date(Date.now() + overlap_ms),
        },
      });
      return { ...toResource(row), secret };
    }),
});
