import type { JobStatus } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addCheckpoint,
  claim,
  createJob,
  jobIn,
  openFixture,
  type StoreFixture,
  statuses,
  succeed,
  successor,
} from './fixture.ts';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture.remove());

type State = JobStatus | 'pausing' | 'cancelling';
type Action = 'pause' | 'cancel' | 'resume';
type Expected = { status: JobStatus; requested?: 'pause' | 'cancel' | null; frame?: boolean } | 'wrong_state';

const inState = async (state: State) => {
  const { store } = fixture;
  if (state !== 'pausing' && state !== 'cancelling') return jobIn(store, state);
  const job = await jobIn(store, 'running');
  return (await store.jobs.request('default', job.id, state === 'pausing' ? 'pause' : 'cancel')).job;
};

const act = (id: string, action: Action) =>
  action === 'resume'
    ? fixture.store.jobs.resume('default', id)
    : fixture.store.jobs.request('default', id, action);

const table: [State, Action, Expected][] = [
  ['queued', 'pause', { status: 'paused', frame: true }],
  ['queued', 'cancel', { status: 'cancelled', frame: true }],
  ['queued', 'resume', { status: 'queued' }],
  ['running', 'pause', { status: 'running', requested: 'pause' }],
  ['running', 'cancel', { status: 'running', requested: 'cancel' }],
  ['running', 'resume', { status: 'running' }],
  ['pausing', 'pause', { status: 'running', requested: 'pause' }],
  ['pausing', 'cancel', { status: 'running', requested: 'cancel' }],
  ['pausing', 'resume', { status: 'running', requested: null }],
  ['cancelling', 'pause', { status: 'running', requested: 'cancel' }],
  ['cancelling', 'cancel', { status: 'running', requested: 'cancel' }],
  ['cancelling', 'resume', 'wrong_state'],
  ['paused', 'pause', { status: 'paused' }],
  ['paused', 'cancel', { status: 'cancelled', frame: true }],
  ['paused', 'resume', { status: 'queued', frame: true }],
  ['succeeded', 'pause', 'wrong_state'],
  ['succeeded', 'cancel', 'wrong_state'],
  ['succeeded', 'resume', 'wrong_state'],
  ['failed', 'pause', 'wrong_state'],
  ['failed', 'cancel', 'wrong_state'],
  ['failed', 'resume', { status: 'queued', frame: true }],
  ['cancelled', 'pause', 'wrong_state'],
  ['cancelled', 'cancel', { status: 'cancelled' }],
  ['cancelled', 'resume', { status: 'queued', frame: true }],
];

describe('every action on every state', () => {
  it.each(table)('%s, then %s', async (state, action, expected) => {
    const before = await inState(state);
    const { head } = (await fixture.store.events.heads([before.id])).get(before.id) ?? { head: -1 };
    if (expected === 'wrong_state') {
      await expect(act(before.id, action)).rejects.toMatchObject({ code: 'wrong_state', status: 409 });
      expect(await fixture.store.jobs.get('default', before.id)).toEqual(before);
      return;
    }
    const { job } = await act(before.id, action);
    expect(job).toMatchObject({ status: expected.status, requested: expected.requested ?? null });
    const added = await fixture.store.events.read(before.id, { after: head });
    expect(added.map((frame) => frame.type === 'status' && frame.status)).toEqual(
      expected.frame ? [expected.status] : [],
    );
    // A repetition answers the same and adds nothing.
    if (action !== 'resume' || expected.status !== 'running') {
      const again = await act(before.id, action);
      expect(again.job).toMatchObject({ status: expected.status, requested: expected.requested ?? null });
      expect(await fixture.store.events.read(before.id, { after: head })).toEqual(added);
    }
  });
});

describe('what was asked comes before what the worker reports', () => {
  it('a cancel beats a pause that the worker carried out', async () => {
    const { store } = fixture;
    const claimed = await claim(store, (await createJob(store)).id);
    const id = claimed.claim.job_id;
    await store.jobs.request('default', id, 'pause');
    await store.jobs.request('default', id, 'cancel');
    expect(await store.jobs.finish(claimed.claim, { type: 'paused' })).toMatchObject({
      status: 'cancelled',
      enqueue: null,
    });
    expect(await store.jobs.get('default', id)).toMatchObject({
      requested: null,
      ended_at: expect.any(String),
    });
  });

  it('a pause withdrawn too late sends the job back to the queue', async () => {
    const { store } = fixture;
    const claimed = await claim(store, (await createJob(store)).id);
    const id = claimed.claim.job_id;
    await store.jobs.request('default', id, 'pause');
    await store.jobs.resume('default', id);
    expect(await store.jobs.finish(claimed.claim, { type: 'paused' })).toMatchObject({
      status: 'queued',
      enqueue: { job_id: id, enqueue_count: 2 },
    });
  });

  it('an orderly stop keeps its ticket, unless a pause or cancel was asked', async () => {
    const { store } = fixture;
    const stopped = await claim(store, (await createJob(store, { priority: 7 })).id);
    expect(await store.jobs.finish(stopped.claim, { type: 'requeued' })).toMatchObject({
      status: 'queued',
      enqueue: { job_id: stopped.claim.job_id, enqueue_count: 1, priority: 7 },
    });
    const cancelled = await claim(store, (await createJob(store)).id);
    await store.jobs.request('default', cancelled.claim.job_id, 'cancel');
    expect(await store.jobs.finish(cancelled.claim, { type: 'requeued' })).toMatchObject({
      status: 'cancelled',
      enqueue: null,
    });
  });

  it.each([
    ['pause', 'paused'],
    ['cancel', 'cancelled'],
  ] as const)('a %s outlives the worker that should have carried it out', async (action, status) => {
    const { store } = fixture;
    const { claim: dead } = await claim(store, (await createJob(store)).id);
    await store.jobs.request('default', dead.job_id, action);
    expect(await store.jobs.claim(dead.job_id, successor)).toBeNull();
    expect(await store.jobs.get('default', dead.job_id)).toMatchObject({
      status,
      requested: null,
      attempt: 1,
    });
  });
});

describe('attempts', () => {
  it('a fourth claim without a new checkpoint ends the job', async () => {
    const { store } = fixture;
    const { id } = await createJob(store);
    for (let attempt = 1; attempt <= 3; attempt += 1)
      expect((await claim(store, id)).claim.attempt).toBe(attempt);
    expect(await store.jobs.claim(id, successor)).toBeNull();
    expect(await store.jobs.get('default', id)).toMatchObject({
      status: 'failed',
      error: { code: 'attempts_exhausted' },
    });
    expect(await statuses(store, id)).toEqual(['queued', 'running', 'running', 'running', 'failed']);
  });

  it('a new checkpoint counts, one at an old step does not', async () => {
    const { store } = fixture;
    const { id } = await createJob(store);
    await claim(store, id);
    await addCheckpoint(store, await claim(store, id), 10);
    for (let i = 0; i < 3; i += 1) await addCheckpoint(store, await claim(store, id), 10);
    expect(await store.jobs.claim(id, successor)).toBeNull();
    // A resume begins to count anew, and goes on from the newest checkpoint.
    await store.jobs.resume('default', id);
    expect(await claim(store, id)).toMatchObject({ claim: { attempt: 6 }, resume: { step: 10 } });
  });

  it('orderly stops and pauses never count', async () => {
    const { store } = fixture;
    const { id } = await createJob(store);
    for (let i = 0; i < 5; i += 1) {
      await store.jobs.finish((await claim(store, id)).claim, { type: 'requeued' });
      const { claim: own } = await claim(store, id);
      await store.jobs.request('default', id, 'pause');
      await store.jobs.finish(own, { type: 'paused' });
      await store.jobs.resume('default', id);
    }
    expect(await store.jobs.get('default', id)).toMatchObject({ status: 'queued', attempt: 10 });
  });

  it('the third failure that a retry might mend is the last', async () => {
    const { store } = fixture;
    const { id } = await createJob(store);
    const error = { code: 'storage_full', message: 'The artifact store is full.', param: null } as const;
    for (const count of [2, 3])
      expect(await store.jobs.finish((await claim(store, id)).claim, { type: 'retry', error })).toMatchObject(
        {
          status: 'queued',
          enqueue: { enqueue_count: count },
        },
      );
    const last = await store.jobs.finish((await claim(store, id)).claim, { type: 'retry', error });
    expect(last).toMatchObject({ status: 'failed', enqueue: null });
    const job = await store.jobs.get('default', id);
    expect(job.error).toMatchObject({ code: 'attempts_exhausted', message: expect.stringContaining('full') });
  });

  it('says what to forget whenever an attempt is not the first', async () => {
    const { store } = fixture;
    const { id } = await createJob(store);
    await claim(store, id);
    await addCheckpoint(store, await claim(store, id), 40);
    await claim(store, id);
    expect((await store.events.read(id, { type: 'restart' })).map((frame) => ({ ...frame, at: 0 }))).toEqual([
      { type: 'restart', at: 0, seq: 4, job_id: id, attempt: 2, from_step: 0, reason: 'resumed' },
      { type: 'restart', at: 0, seq: 7, job_id: id, attempt: 3, from_step: 40, reason: 'resumed' },
    ]);
  });
});

describe('resume', () => {
  it('may ask for more, not for less than is done', async () => {
    const { store } = fixture;
    const claimed = await claim(store, (await createJob(store, { training: { epochs: 4 } })).id);
    const { job_id: id } = claimed.claim;
    const progress = {
      ...{ step: 300, total_steps: 400, epoch: 2.43283582089552, tokens: 9 },
      ...{ seconds: 3, share: 0.75, eta_seconds: 1 },
    };
    await store.events.append(claimed.claim, [], progress);
    await expect(store.jobs.resume('default', id, { epochs: 9 })).rejects.toMatchObject({
      code: 'wrong_state',
      param: 'epochs',
    });
    await store.jobs.finish(claimed.claim, { type: 'cancelled' });
    await expect(store.jobs.resume('default', id, { epochs: 2 })).rejects.toMatchObject({
      code: 'invalid_value',
      param: 'epochs',
      message: 'epochs: expected at least 3, since 2.43 are done, but received 2.',
    });
    await expect(store.jobs.resume('default', id, { max_steps: 299 })).rejects.toMatchObject({
      code: 'invalid_value',
      param: 'max_steps',
    });
    const { job, enqueue } = await store.jobs.resume('default', id, { epochs: 9, max_steps: 900 });
    expect(job).toMatchObject({
      status: 'queued',
      ended_at: null,
      progress,
      spec: { training: { epochs: 9, max_steps: 900, batch_size: 64 } },
    });
    expect(enqueue).toEqual({ job_id: id, enqueue_count: 2, priority: 0, device: null });
  });

  it('says so when the file is gone', async () => {
    const { store } = fixture;
    const job = await jobIn(store, 'cancelled');
    await store.files.remove('default', job.spec.file);
    await expect(store.jobs.resume('default', job.id)).rejects.toMatchObject({
      code: 'impossible_with_data',
      param: 'file',
    });
  });
});

describe('success', () => {
  it('publishes the model together with the last frame', async () => {
    const { store } = fixture;
    const claimed = await claim(store, (await createJob(store, { name: 'whale' })).id);
    const checkpoint = await addCheckpoint(store, claimed, 12, { best: true, validation_loss: 1.5 });
    const finished = await succeed(store, claimed, checkpoint?.id);
    const job = await store.jobs.get('default', claimed.claim.job_id);
    expect(job).toMatchObject({ status: 'succeeded', model_id: finished?.model_id, error: null });
    const model = await store.models.get('default', 'whale');
    expect(model).toMatchObject({ id: job.model_id, step: 12, validation_loss: 1.5, parameters: 10 });
    const frames = await store.events.read(job.id);
    expect(frames.at(-1)).toMatchObject({ type: 'status', status: 'succeeded', seq: finished?.head });
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, i) => i + 1));
  });
});
