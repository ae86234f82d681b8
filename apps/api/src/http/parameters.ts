import {
  checkpointId,
  fileId,
  jobId,
  keyId,
  modelReference,
  sessionId,
  snapshotId,
  UnfoldError,
  webhookDeliveryId,
  webhookEndpointId,
} from '@unfold/contracts';
import { z } from 'zod';

/** Ids in paths are only looked at: one that cannot exist is unknown (404), not malformed. */
const id = (description: string) => z.strictObject({ id: z.string().meta({ description }) });

export const fileParams = id('A file, `file-…`.');
export const jobParams = id('A job, `job-…`.');
export const modelParams = id("A model's id, a checkpoint's id, or a model's name.");
export const keyParams = id('A key, `key-…`.');
export const webhookEndpointParams = id('A webhook endpoint, `we-…`.');
export const webhookDeliveryParams = webhookEndpointParams.extend({
  delivery: z.string().meta({ description: 'A delivery, `dlv-…`.' }),
});
export const sessionParams = id('A session, `sess-…`.');
export const snapshotParams = sessionParams.extend({
  snapshot: z.string().meta({ description: "One of the session's snapshots, `snap-…`." }),
});

const schemas = {
  file: fileId,
  job: jobId,
  model: modelReference,
  checkpoint: checkpointId,
  key: keyId,
  'webhook endpoint': webhookEndpointId,
  delivery: webhookDeliveryId,
  session: sessionId,
  snapshot: snapshotId,
};

/** The error for a thing that does not exist, or that belongs to another project. */
export const unknown = (kind: string, value: string, param: string | null = 'id'): UnfoldError =>
  new UnfoldError(
    'not_found',
    `No ${kind} has the id ${kind === 'model' ? 'or name ' : ''}"${value.slice(0, 80)}".`,
    { param },
  );

/** Refuses an id that could not exist before the store is asked. */
export const requireId = (kind: keyof typeof schemas, value: string, param = 'id'): string => {
  if (!schemas[kind].safeParse(value).success) throw unknown(kind, value, param);
  return value;
};

/** For routes that take no body: none, or an empty object. */
export const noBody = z.strictObject({}).optional();

/** For routes that take no query. */
export const noQuery = z.strictObject({});
