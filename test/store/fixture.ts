import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JobResource, type JobSpecInput, type JobStatus, jobSpec } from '@unfold/contracts';
import { type Claimed, type ClaimedBy, openStore, type Store, type StoreOptions } from '@unfold/store';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';

export interface StoreFixture {
  store: Store;
  database: TestDatabase;
  artifactsDir: string;
  /** Another store on the same database, as another process would have it. */
  another(options?: Partial<StoreOptions>): Promise<Store>;
  remove(): Promise<void>;
}

export const openFixture = async (options: Partial<StoreOptions> = {}): Promise<StoreFixture> => {
  const database = await withDatabase();
  const artifactsDir = await mkdtemp(join(tmpdir(), 'unfold-artifacts-'));
  const opened: Store[] = [];
  const open = async (more: Partial<StoreOptions> = {}) => {
    const store = await openStore({ databaseUrl: database.databaseUrl, artifactsDir, ...options, ...more });
    opened.push(store);
    return store;
  };
  return {
    store: await open(),
    database,
    artifactsDir,
    another: open,
    async remove() {
      for (const store of opened) await store.close();
      await database.drop();
      await rm(artifactsDir, { recursive: true, force: true });
    },
  };
};

export async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part;
}

export const upload = (store: Store, text = 'the whale\n', project = 'default') =>
  store.files.create(project, {
    filename: 'text.txt',
    purpose: 'fine-tune',
    upload: chunks(text),
    limit_bytes: 1_000_000,
  });

export const worker: ClaimedBy = { worker: 'test', engines: ['reference'] };
/** A claim that takes a running job over at once, as after the death of its worker. */
export const successor = { ...worker, takeover_ms: 0 };

export const createJob = async (
  store: Store,
  spec: Partial<JobSpecInput> = {},
  project = 'default',
): Promise<JobResource> => {
  const file = spec.file ?? (await upload(store, undefined, project)).resource.id;
  return (await store.jobs.create(project, jobSpec.parse({ ...spec, file }))).resource;
};

export const claim = async (store: Store, id: string): Promise<Claimed> => {
  const claimed = await store.jobs.claim(id, successor);
  if (!claimed) throw new Error(`Nobody could claim ${id}.`);
  return claimed;
};

export const addCheckpoint = async (
  store: Store,
  { claim }: Claimed,
  step: number,
  more: { best?: boolean; last?: boolean; validation_loss?: number } = {},
) => {
  const path = `jobs/${claim.job_id}/${claim.attempt}/${step}-${randomBytes(4).toString('hex')}`;
  const written = await store.artifacts.write(path, Buffer.from(`state at ${step}`));
  return store.checkpoints.record(claim, {
    ...written,
    step,
    validation_loss: more.validation_loss ?? null,
    best: more.best ?? false,
    last: more.last ?? false,
  });
};

export const succeed = async (store: Store, claimed: Claimed, checkpoint_id: string | null = null) => {
  const path = `models/${claimed.claim.job_id}/${claimed.claim.attempt}`;
  const weights = await store.artifacts.write(path, Buffer.from('weights'));
  return store.jobs.finish(claimed.claim, {
    type: 'succeeded',
    checkpoint_id,
    parameters: 10,
    vocabulary_size: 4,
    weights,
  });
};

const broken = { code: 'diverged', message: 'The loss became infinite.', param: null } as const;

/** A job that went all the way to a status. */
export const jobIn = async (store: Store, status: JobStatus): Promise<JobResource> => {
  const { id } = await createJob(store);
  if (status === 'paused') await store.jobs.request('default', id, 'pause');
  if (status === 'cancelled') await store.jobs.request('default', id, 'cancel');
  if (status === 'running' || status === 'succeeded' || status === 'failed') {
    const claimed = await claim(store, id);
    if (status === 'succeeded') await succeed(store, claimed);
    if (status === 'failed') await store.jobs.finish(claimed.claim, { type: 'failed', error: broken });
  }
  return store.jobs.get('default', id);
};

export const statuses = async (store: Store, id: string): Promise<string[]> =>
  (await store.events.read(id)).flatMap((frame) => (frame.type === 'status' ? [frame.status] : []));

/** Names of what lies in a folder of a fixture's artifacts. */
export const filesOnDisk = async ({ artifactsDir }: StoreFixture, folder: string): Promise<string[]> =>
  readdir(join(artifactsDir, folder)).catch(() => []);
