import { UnfoldError, type WebhookDeliveryResource, type WebhookEvent } from '@unfold/contracts';
import type { Database, Queries } from '../database.ts';
import type { WebhookDelivery, WebhookEndpoint } from '../generated/client.ts';
import { behind, checkAfter, notFound, toPage, unixSeconds } from '../pages.ts';
import { findEndpoint } from './endpoints.ts';
import type { SecretBox } from './secret-box.ts';
import type { ClaimedDelivery, DeliveryOutcome, WebhookRepository } from './webhooks.ts';
import { newDelivery, newEvent } from './write-events.ts';

const orNull = (date: Date | null): number | null => date && unixSeconds(date);

const toResource = (row: WebhookDelivery): WebhookDeliveryResource => ({
  id: row.id,
  object: 'webhook_endpoint.delivery',
  endpoint_id: row.endpoint_id,
  event: JSON.parse(row.body) as WebhookEvent,
  status: row.status as WebhookDeliveryResource['status'],
  attempts: row.attempts,
  response_status: row.response_status,
  error: row.error,
  next_attempt_at: orNull(row.next_attempt_at),
  last_attempt_at: orNull(row.last_attempt_at),
  delivered_at: orNull(row.delivered_at),
  created_at: unixSeconds(row.created_at),
});

const requireEnabled = async (queries: Queries, project: string, id: string): Promise<WebhookEndpoint> => {
  const endpoint = await findEndpoint(queries, project, id);
  if (endpoint.enabled) return endpoint;
  throw new UnfoldError('wrong_state', `Webhook endpoint ${id} is disabled: enable it first.`);
};

interface ClaimedRow extends Omit<ClaimedDelivery, 'secrets'> {
  secret: string;
  previous_secret: string | null;
}

type Deliveries = Pick<
  WebhookRepository,
  'deliveries' | 'redeliver' | 'test' | 'claim' | 'settle' | 'pending' | 'prune'
>;

/** What is sent to endpoints, and the log of it. */
export const createDeliveries = (database: Database, box: SecretBox): Deliveries => {
  const openSecrets = ({ secret, previous_secret, ...rest }: ClaimedRow): ClaimedDelivery => {
    const opened = [secret, previous_secret].map((each) => each && box.open(each, rest.endpoint_id));
    return { ...rest, secrets: opened.filter((each) => each !== null) };
  };

  return {
    deliveries: (project, endpoint_id, { limit, after, order = 'desc' }) =>
      database.run(async (queries) => {
        await findEndpoint(queries, project, endpoint_id);
        checkAfter('dlv', after);
        const rows = await queries.webhookDelivery.findMany({
          where: { endpoint_id, ...(after ? { id: behind(after, order) } : {}) },
          orderBy: { id: order },
          take: limit + 1,
        });
        return toPage(rows, limit, toResource);
      }),

    redeliver: (project, endpoint_id, id) =>
      database.prismaTransaction(async (queries) => {
        await requireEnabled(queries, project, endpoint_id);
        // An attempt that is under way is fenced off: whatever becomes of it, another follows.
        const count = await queries.$executeRaw`
          UPDATE webhook_deliveries
          SET status = 'pending', attempts = 0, fence = fence + 1, next_attempt_at = clock_timestamp(),
              delivered_at = NULL
          WHERE id = ${id} AND endpoint_id = ${endpoint_id}`;
        if (count === 0) throw notFound('delivery', id, 'delivery');
        return toResource(await queries.webhookDelivery.findUniqueOrThrow({ where: { id } }));
      }),

    test: (project, endpoint_id) =>
      database.prismaTransaction(async (queries) => {
        await requireEnabled(queries, project, endpoint_id);
        const event = newEvent('webhook.test', { id: endpoint_id });
        return toResource(await queries.webhookDelivery.create({ data: newDelivery(endpoint_id, event) }));
      }),

    // Reads a few rows of each enabled endpoint from the index, however many wait behind them or at an endpoint that is disabled.
    claim: ({ limit, per_endpoint, running, lease_ms }) =>
      database.run(async (queries) => {
        const rows = await queries.$queryRaw<ClaimedRow[]>`
          WITH due AS (
            SELECT d.id FROM webhook_endpoints e
            LEFT JOIN unnest(${[...running.keys()]}::text[], ${[...running.values()]}::int[]) AS busy (id, attempts) ON busy.id = e.id
            CROSS JOIN LATERAL (
              SELECT id, next_attempt_at, row_number() OVER (ORDER BY next_attempt_at, id) AS place
              FROM webhook_deliveries
              WHERE endpoint_id = e.id AND status = 'pending' AND next_attempt_at <= statement_timestamp()
              ORDER BY next_attempt_at, id LIMIT ${per_endpoint}::int
            ) d
            WHERE e.enabled AND d.place + coalesce(busy.attempts, 0) <= ${per_endpoint}::int
            ORDER BY d.next_attempt_at, d.id LIMIT ${limit}::int
          ), locked AS (
            SELECT id FROM webhook_deliveries
            WHERE id IN (SELECT id FROM due) AND status = 'pending' AND next_attempt_at <= clock_timestamp()
            FOR UPDATE SKIP LOCKED
          )
          UPDATE webhook_deliveries d
          SET attempts = d.attempts + 1, fence = d.fence + 1, last_attempt_at = clock_timestamp(),
              next_attempt_at = clock_timestamp() + make_interval(secs => ${lease_ms / 1000}::float8)
          FROM locked l, webhook_endpoints e
          WHERE d.id = l.id AND e.id = d.endpoint_id
          RETURNING d.id, d.fence, d.attempts, d.endpoint_id, d.event_id, d.body, e.url, e.secret,
            CASE WHEN e.previous_secret_until > clock_timestamp() THEN e.previous_secret END AS previous_secret`;
        return rows.map(openSecrets);
      }),

    settle: ({ id, fence }, outcome) =>
      database.prismaTransaction(async (queries) => {
        const settled = await settle(queries, id, fence, outcome);
        if (settled && outcome.type === 'gone')
          await queries.webhookEndpoint.updateMany({
            where: { id: settled },
            data: { enabled: false },
          });
      }),

    pending: () =>
      database.run((queries) =>
        queries.webhookDelivery.count({ where: { status: 'pending', endpoint: { enabled: true } } }),
      ),

    prune: (days, kept) =>
      database.run(
        (queries) => queries.$executeRaw`
          DELETE FROM webhook_deliveries WHERE created_at < now() - make_interval(days => ${days}::int)
            OR id IN (
              SELECT id FROM (
                SELECT id, row_number() OVER (PARTITION BY endpoint_id ORDER BY id DESC) AS place
                FROM webhook_deliveries WHERE status <> 'pending'
              ) ranked WHERE place > ${kept}::int)`,
      ),
  };
};

/** The endpoint of the delivery; null if the claim was taken over. */
const settle = async (
  queries: Queries,
  id: string,
  fence: number,
  outcome: DeliveryOutcome,
): Promise<string | null> => {
  const status = { delivered: 'delivered', retry: 'pending', failed: 'failed', gone: 'failed' }[outcome.type];
  const after_ms = outcome.type === 'retry' ? outcome.after_ms : null;
  const error = outcome.type === 'delivered' ? null : outcome.error;
  const [row] = await queries.$queryRaw<{ endpoint_id: string }[]>`
    UPDATE webhook_deliveries
    SET status = ${status}, error = ${error}, response_status = ${outcome.response_status}::int,
        delivered_at = CASE WHEN ${status === 'delivered'} THEN clock_timestamp() END,
        next_attempt_at = clock_timestamp() + make_interval(secs => ${after_ms === null ? null : after_ms / 1000}::float8)
    WHERE id = ${id} AND fence = ${fence}::int AND status = 'pending'
    RETURNING endpoint_id`;
  return row?.endpoint_id ?? null;
};
