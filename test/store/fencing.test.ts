import type { FrameBody } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addCheckpoint,
  claim,
  createJob,
  openFixture,
  type StoreFixture,
  succeed,
  successor,
  worker,
} from './fixture.ts';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture.remove());

const metric = (step: number, loss: number | null = 1 / step): FrameBody => ({
  type: 'metric',
  step,
  attempt: 1,
  values: { loss },
});

describe('the event log', () => {
  it('is dense from 1 under 20 appenders at once, the service among them', async () => {
    const { store } = fixture;
    const other = await fixture.another();
    const { claim: own } = await claim(store, (await createJob(store)).id);
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        for (let round = 0; round < 10; round += 1)
          if (i % 4 === 0)
            await other.events.note(own.job_id, [{ type: 'log', level: 'info', message: `${i}.${round}` }]);
          else await (i % 2 ? store : other).events.append(own, [metric(round + 1), metric(round + 2)]);
      }),
    );
    const frames = await store.events.read(own.job_id);
    expect(frames.length).toBe(2 + 5 * 10 + 15 * 20);
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, i) => i + 1));
    expect((await store.events.heads([own.job_id, 'job-unknown'])).get(own.job_id)).toEqual({
      head: frames.length,
      status: 'running',
    });
  });

  it('gives back every number and text as it was written, but for what PostgreSQL cannot hold', async () => {
    const { store } = fixture;
    const { claim: own } = await claim(store, (await createJob(store)).id);
    const values = { a: 0.1 + 0.2, b: 5e-324, c: 1.7976931348623157e308, d: null };
    await store.events.append(own, [
      { type: 'metric', step: 1, attempt: 1, values },
      { type: 'sample', step: 1, text: 'a\u0000b \ud83d\udc33 \ud83d \\u0000 \u00e9' },
    ]);
    const [first, second] = await store.events.read(own.job_id, { after: 2 });
    expect(first).toMatchObject({ values });
    const head = ['seq', 'type', 'at', 'job_id'];
    expect(Object.keys(first ?? {})).toEqual([...head, 'step', 'attempt', 'values']);
    expect(second).toMatchObject({ text: 'a\ufffdb \ud83d\udc33 \ufffd \\u0000 \u00e9' });
  });

  it('reads on from any number, by type, in pages', async () => {
    const { store } = fixture;
    const { claim: own } = await claim(store, (await createJob(store)).id);
    await store.events.append(own, [metric(1), { type: 'sample', step: 1, text: 'x' }, metric(2)]);
    const seqs = async (query: Parameters<typeof store.events.read>[1]) =>
      (await store.events.read(own.job_id, query)).map(({ seq }) => seq);
    expect(await seqs({ after: 3 })).toEqual([4, 5]);
    for (const after of [9999, 2 ** 31 - 1, 2 ** 31, Number.MAX_SAFE_INTEGER])
      expect(await seqs({ after })).toEqual([]);
    expect(await store.events.metrics(own.job_id, { after_step: 2 ** 31 })).toMatchObject({ steps: [] });
    expect(await seqs({ limit: 2 })).toEqual([1, 2]);
    expect(await seqs({ type: 'metric' })).toEqual([3, 5]);
    expect(await seqs({ type: ['metric', 'sample'], after: 3 })).toEqual([4, 5]);
  });
});

describe('a claim', () => {
  it('goes to one of ten workers that try at once', async () => {
    const stores = await Promise.all(Array.from({ length: 5 }, () => fixture.another({ connections: 2 })));
    // On a busy machine one may come so late that the first looks dead to it, and would rightly take over.
    const patient = { ...worker, takeover_ms: 600_000 };
    for (let round = 0; round < 5; round += 1) {
      const { id } = await createJob(fixture.store);
      const claims = await Promise.all(
        Array.from({ length: 10 }, (_, i) => stores[i % 5]?.jobs.claim(id, { ...patient, worker: `${i}` })),
      );
      expect(claims.filter((each) => each)).toHaveLength(1);
      expect(await fixture.store.jobs.get('default', id)).toMatchObject({ attempt: 1, status: 'running' });
    }
  });

  it('leaves a job alone whose worker has just written', async () => {
    const { store } = fixture;
    const { claim: own } = await claim(store, (await createJob(store)).id);
    await store.events.append(own, []);
    expect(await store.jobs.claim(own.job_id, { ...worker, takeover_ms: 600_000 })).toBeNull();
    expect(await store.jobs.claim(own.job_id, successor)).toMatchObject({ claim: { attempt: 2 } });
  });

  it('of a second ticket for a job leaves the job with the worker that lives, and it writes on', async () => {
    const { store } = fixture;
    const other = await fixture.another();
    const { id } = await createJob(store);
    // Given back and queued again: two deliveries of the job are under way, each with a ticket of its own.
    const before = await claim(store, id);
    const error = { code: 'out_of_memory', message: 'There was no room.', param: null } as const;
    expect(await store.jobs.finish(before.claim, { type: 'retry', error })).toMatchObject({
      enqueue: { enqueue_count: 2 },
    });
    const live = (await store.jobs.claim(id, { ...worker, worker: 'A' }))!;
    for (let round = 0; round < 3; round += 1) {
      const late = { ...worker, worker: 'B', takeover_ms: 60_000 };
      expect(await other.jobs.claim(id, late)).toBeNull();
      expect(await other.jobs.claim(id, { ...late, retried: true })).toBeNull();
      expect(await store.events.append(live.claim, [metric(round + 1)])).not.toBeNull();
    }
    expect(await store.jobs.get('default', id)).toMatchObject({ status: 'running', attempt: 2 });
  });

  it('whose answer was lost is made again by the worker that asked', async () => {
    const { store } = fixture;
    const { id } = await createJob(store);
    const same = { ...worker, worker: 'A', takeover_ms: 60_000 };
    expect(await store.jobs.claim(id, same)).toMatchObject({ claim: { attempt: 1 } });
    expect(await store.jobs.claim(id, same)).toBeNull();
    expect(await store.jobs.claim(id, { ...same, retried: true })).toMatchObject({ claim: { attempt: 2 } });
  });

  it('finds nothing to do in a job that is paused, finished or gone', async () => {
    const { store } = fixture;
    const { id } = await createJob(store);
    await store.jobs.request('default', id, 'pause');
    expect(await store.jobs.claim(id, successor)).toBeNull();
    await store.jobs.request('default', id, 'cancel');
    expect(await store.jobs.claim(id, successor)).toBeNull();
    await store.jobs.remove('default', id);
    expect(await store.jobs.claim(id, successor)).toBeNull();
  });
});

describe('an attempt that was overtaken', () => {
  it.each(['overtaken', 'ended'])('writes nothing once it is %s', async (how) => {
    const { store } = fixture;
    const old = await claim(store, (await createJob(store)).id);
    const { job_id } = old.claim;
    if (how === 'overtaken') await claim(store, job_id);
    else await store.jobs.finish(old.claim, { type: 'cancelled' });
    const before = await store.events.read(job_id);
    const job = await store.jobs.get('default', job_id);

    const progress = {
      step: 9,
      total_steps: 10,
      epoch: 1,
      tokens: 1,
      seconds: 1,
      share: 0.9,
      eta_seconds: 1,
    };
    expect(await store.events.append(old.claim, [metric(1)], progress)).toBeNull();
    expect(await store.events.append(old.claim, [])).toBeNull();
    expect(await addCheckpoint(store, old, 5)).toBeNull();
    expect(await succeed(store, old)).toBeNull();
    for (const type of ['cancelled', 'paused', 'requeued'] as const)
      expect(await store.jobs.finish(old.claim, { type })).toBeNull();

    expect(await store.events.read(job_id)).toEqual(before);
    expect(await store.jobs.get('default', job_id)).toEqual(job);
    expect((await store.checkpoints.list('default', job_id, { limit: 10 })).data).toEqual([]);
    expect(
      (await store.models.list('default', { limit: 100 })).data.filter((m) => m.job_id === job_id),
    ).toEqual([]);
  });

  it('of a finish and a takeover at once only one happens', async () => {
    const { store } = fixture;
    const other = await fixture.another();
    for (let round = 0; round < 10; round += 1) {
      const old = await claim(store, (await createJob(store)).id);
      const [finished, next] = await Promise.all([
        succeed(store, old),
        other.jobs.claim(old.claim.job_id, successor),
      ]);
      expect([finished, next].filter((each) => each)).toHaveLength(1);
      const job = await store.jobs.get('default', old.claim.job_id);
      expect(job.status).toBe(finished ? 'succeeded' : 'running');
    }
  });
});

describe('checkpoints', () => {
  it('keeps the newest three, the best and the last, and removes the other files', async () => {
    const { store } = fixture;
    const own = await claim(store, (await createJob(store)).id);
    const made = [];
    for (let step = 1; step <= 7; step += 1)
      made.push(
        await addCheckpoint(store, own, step, {
          best: step === 2 || step === 3,
          last: step === 4,
          validation_loss: 1,
        }),
      );
    const { data } = await store.checkpoints.list('default', own.claim.job_id, { limit: 10 });
    expect(data.map(({ step, best }) => [step, best])).toEqual([
      [7, false],
      [6, false],
      [5, false],
      [4, false],
      [3, true],
    ]);
    const kept = await Promise.all(
      made.map((each) =>
        store.models.locate('default', each?.id ?? '').then(
          ({ path, sha256 }) => store.artifacts.verify(path, sha256).then(() => true),
          () => false,
        ),
      ),
    );
    expect(kept).toEqual([false, false, true, true, true, true, true]);
  });

  it('the newest is the one recorded last, even by an attempt that went back', async () => {
    const { store } = fixture;
    const { id } = await createJob(store);
    await addCheckpoint(store, await claim(store, id), 30);
    await addCheckpoint(store, await claim(store, id), 20);
    expect((await claim(store, id)).resume?.step).toBe(20);
  });
});

describe('curves', () => {
  it('leave out what a restart withdrew and hold each step once', async () => {
    const { store } = fixture;
    const { id } = await createJob(store);
    const first = await claim(store, id);
    await store.events.append(first.claim, [metric(10, 4), metric(20, 3)]);
    await addCheckpoint(store, first, 20);
    await store.events.append(first.claim, [metric(30, 2.9), metric(40, 2.8), metric(45, 2.7)]);
    const second = await claim(store, id);
    await store.events.append(second.claim, [
      metric(30, 2.5),
      { type: 'metric', step: 30, attempt: 2, values: { validation_loss: 2 } },
      metric(40, null),
    ]);
    expect(await store.events.metrics(id)).toEqual({
      job_id: id,
      steps: [10, 20, 30, 40],
      series: { loss: [4, 3, 2.5, null], validation_loss: [null, null, 2, null] },
      downsampled: false,
      seq: expect.any(Number),
    });
    expect(await store.events.metrics(id, { names: ['validation_loss'], after_step: 10 })).toEqual({
      job_id: id,
      steps: [30],
      series: { validation_loss: [2] },
      downsampled: false,
      seq: expect.any(Number),
    });
  });
});
