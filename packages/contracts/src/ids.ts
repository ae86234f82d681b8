import { z } from 'zod';

/** Prefixes of every public id: `<prefix>-<lower-case, time-ordered id>`. */
export const idPrefixes = [
  'file',
  'job',
  'model',
  'ckpt',
  'key',
  'sess',
  'snap',
  'we',
  'evt',
  'dlv',
  'worker',
  'device',
] as const;
export type IdPrefix = (typeof idPrefixes)[number];

/** Whether a text could be an id of a kind. */
export const isId = (prefix: IdPrefix, text: string): boolean =>
  new RegExp(`^${prefix}-[0-9a-z]{20,40}$`).test(text);

const idSchema = (prefix: IdPrefix) =>
  z.string().regex(new RegExp(`^${prefix}-[0-9a-z]{20,40}$`), `expected an id that begins with "${prefix}-"`);

export const fileId = idSchema('file');
export const jobId = idSchema('job');
export const modelId = idSchema('model');
export const checkpointId = idSchema('ckpt');
export const keyId = idSchema('key');
export const sessionId = idSchema('sess');
export const snapshotId = idSchema('snap');
export const webhookEndpointId = idSchema('we');
export const webhookEventId = idSchema('evt');
export const webhookDeliveryId = idSchema('dlv');
export const workerId = idSchema('worker');
/** The same for the same device of the same host. */
export const deviceId = idSchema('device');

/** A model's name: lower case, usable in a URL and as a file name. The newest model of a name answers to it. */
export const modelName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,62}$/,
    'expected 1 to 63 characters of a-z, 0-9, ".", "_" or "-", beginning with a letter or digit',
  )
  .regex(
    new RegExp(`^(?!(?:${idPrefixes.join('|')})-[0-9a-z]{20,}$)`),
    'expected a name that does not look like an id ("model-" and 20 or more letters and digits)',
  );

/** What names a model in a request: a model's id, a checkpoint's id, or a model's name. */
export const modelReference = z.string().min(1).max(100);
