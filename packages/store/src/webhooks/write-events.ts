import {
  isFinal,
  type JobStatus,
  type WebhookEvent,
  type WebhookEventType,
  webhookEventTypes,
} from '@unfold/contracts';
import { toJson } from '../clean-json.ts';
import type { Statements } from '../database.ts';
import type { JobRow } from '../jobs/job-row.ts';
import { newId } from '../new-id.ts';
import { unixSeconds } from '../pages.ts';

const isType = (type: string): type is WebhookEventType =>
  (webhookEventTypes as readonly string[]).includes(type);

export const newEvent = (type: WebhookEvent['type'], data: WebhookEvent['data']): WebhookEvent => ({
  id: newId('evt'),
  object: 'event',
  type,
  created_at: unixSeconds(new Date()),
  data,
});

/** A delivery: the database makes it due at once. */
export const newDelivery = (endpoint_id: string, event: WebhookEvent) => ({
  id: newId('dlv'),
  endpoint_id,
  event_id: event.id,
  body: JSON.stringify(event),
});

/**
 * Writes what the project's endpoints are to be told of a job's new status, in the transaction that changes it: none is
 * lost with a process that dies, and none is told of a change that was rolled back.
 */
export const writeStatusEvents = async (
  queries: Statements,
  job: Pick<JobRow, 'id' | 'project'>,
  status: JobStatus,
  model_id: string | null = null,
): Promise<void> => {
  const types = [`training.job.${status}`, ...(isFinal(status) ? [`fine_tuning.job.${status}`] : [])].filter(
    isType,
  );
  if (types.length === 0) return;
  // Locked, so that none is deleted before its delivery is there to be deleted with it.
  const endpoints = await queries.$queryRaw<{ id: string; events: string[] }[]>`
    SELECT id, events FROM webhook_endpoints
    WHERE project = ${job.project} AND enabled AND events && ${types}::text[]
    FOR KEY SHARE`;
  if (endpoints.length === 0) return;
  const events = types.map((type) =>
    newEvent(type, type.startsWith('training.') ? { id: job.id, status, model_id } : { id: job.id }),
  );
  const deliveries = endpoints.flatMap(({ id, events: wanted }) =>
    events.filter(({ type }) => wanted.includes(type)).map((event) => newDelivery(id, event)),
  );
  await queries.$executeRaw`
    INSERT INTO webhook_deliveries (id, endpoint_id, event_id, body)
    SELECT id, endpoint_id, event_id, body
    FROM json_to_recordset(${toJson(deliveries)}::json) AS d(id text, endpoint_id text, event_id text, body text)`;
};
