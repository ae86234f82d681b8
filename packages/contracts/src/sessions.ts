import { z } from 'zod';
import { contextInput } from './completions.ts';
import { checkpointId, modelId, modelReference, sessionId, snapshotId } from './ids.ts';
import { listOf, type PageQuery, pageQuery } from './resources.ts';
import { metadata } from './text.ts';

/** How long a session lives after its last use, unless it says so itself. */
export const standardSessionSeconds = 86_400;

const ttl = z.int().min(1).meta({
  description:
    'How long the session is kept after its last use: each completion counts. Bounded by UNFOLD_MAX_SESSION_SECONDS.',
});
const tokens = z.int().meta({ description: 'What the model has read so far: prompts and its own text.' });

/** `POST /v1/sessions`. */
export const sessionRequest = z
  .strictObject({
    model: modelReference.meta({
      description:
        "A model's id, a checkpoint's id, or a model's name. The session stays with the model that the name stands for now.",
    }),
    context: contextInput.meta({
      description:
        'What everything in the session is conditioned on. Models of task conditional_generation need it, others refuse it.',
    }),
    state: z
      .base64()
      .min(1)
      .nullable()
      .default(null)
      .meta({ description: 'A state as `GET /v1/sessions/{id}/state` gave it, in base64, to go on from.' }),
    ttl_seconds: ttl.nullable().default(null).meta({ description: 'Default: 86400, a day.' }),
    metadata: metadata.nullable().default(null),
  })
  .meta({ id: 'SessionRequest' });
export type SessionRequest = z.output<typeof sessionRequest>;
export type SessionRequestInput = z.input<typeof sessionRequest>;

export const sessionResource = z
  .object({
    id: sessionId,
    object: z.literal('session'),
    model: z.union([modelId, checkpointId]),
    tokens,
    context: contextInput.unwrap(),
    forked_from: sessionId.nullable(),
    bytes: z.int().meta({ description: 'Size of the state.' }),
    ttl_seconds: ttl,
    created_at: z.iso.datetime(),
    last_used_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
    metadata,
  })
  .meta({ id: 'Session', description: 'What a model remembers between calls.' });
export type SessionResource = z.infer<typeof sessionResource>;
export const sessionList = listOf(sessionResource, 'SessionList');

export const sessionListQuery = pageQuery.extend({
  model: modelReference.optional().meta({
    description: 'Only sessions of this model: by its id, or of all models that have this name.',
  }),
});
export type SessionListQuery = PageQuery & { model?: string | undefined };

/** `POST /v1/sessions/:id/fork`. */
export const forkRequest = z
  .strictObject({
    ttl_seconds: ttl.nullable().default(null).meta({ description: "Default: the parent's." }),
    metadata: metadata.nullable().default(null).meta({ description: "Default: the parent's." }),
    snapshot: snapshotId
      .nullable()
      .default(null)
      .meta({ description: 'Where to fork from. Default: the current point.' }),
  })
  .prefault({})
  .meta({ id: 'ForkRequest' });
export type ForkRequest = z.output<typeof forkRequest>;
export type ForkRequestInput = z.input<typeof forkRequest>;

export const snapshotResource = z
  .object({
    id: snapshotId,
    object: z.literal('session.snapshot'),
    session: sessionId,
    tokens,
    bytes: z.int().meta({ description: 'Size of the state.' }),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Snapshot' });
export type SnapshotResource = z.infer<typeof snapshotResource>;
export const snapshotList = listOf(snapshotResource, 'SnapshotList');

/** `POST /v1/sessions/:id/restore`. */
export const restoreRequest = z
  .strictObject({ snapshot: snapshotId.meta({ description: "One of the session's own snapshots." }) })
  .meta({ id: 'RestoreRequest' });
export type RestoreRequest = z.output<typeof restoreRequest>;
