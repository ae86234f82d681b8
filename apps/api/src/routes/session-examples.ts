import { exampleIds } from './examples.ts';

export const sessionRequestExample = {
  model: 'moby-dick',
  ttl_seconds: 3600,
  metadata: { reader: 'ishmael' },
};

export const sessionExample = {
  id: exampleIds.session,
  object: 'session',
  model: exampleIds.model,
  tokens: 16,
  context: null,
  forked_from: null,
  bytes: 1112,
  ttl_seconds: 3600,
  created_at: '2026-11-22T20:10:00.000Z',
  last_used_at: '2026-11-22T20:12:00.000Z',
  expires_at: '2026-11-22T21:12:00.000Z',
  metadata: { reader: 'ishmael' },
};

export const forkExample = { metadata: { reader: 'queequeg' } };

export const snapshotExample = {
  id: exampleIds.snapshot,
  object: 'session.snapshot',
  session: exampleIds.session,
  tokens: 16,
  bytes: 1112,
  created_at: '2026-11-22T20:12:30.000Z',
};

export const restoreExample = { snapshot: exampleIds.snapshot };
