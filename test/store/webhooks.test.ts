import type { WebhookEndpointRequest } from '@unfold/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { claim, createJob, openFixture, type StoreFixture, succeed } from './fixture.ts';

const request: WebhookEndpointRequest = {
  url: 'https://example.org/hooks',
  events: ['fine_tuning.job.succeeded', 'training.job.succeeded'],
  description: null,
  metadata: {},
};
const all = { limit: 100, per_endpoint: 100, running: new Map<string, number>(), lease_ms: 60_000 };

describe('webhooks', () => {
  let fixture: StoreFixture;
  let id: string;
  beforeAll(async () => {
    fixture = await openFixture();
  });
  afterAll(() => fixture.remove());
  beforeEach(async () => {
    await fixture.database.query('DELETE FROM webhook_endpoints');
    id = (await fixture.store.webhooks.create('default', request, 100)).resource.id;
  });

  const webhooks = () => fixture.store.webhooks;
  const log = async () => (await webhooks().deliveries('default', id, { limit: 100 })).data;

  it('are written for a job that succeeds, with the model that it made', async () => {
    const { id: job } = await createJob(fixture.store);
    const finished = await succeed(fixture.store, await claim(fixture.store, job));
    expect((await log()).map(({ event }) => [event.type, event.data])).toEqual(
      expect.arrayContaining([
        ['fine_tuning.job.succeeded', { id: job }],
        ['training.job.succeeded', { id: job, status: 'succeeded', model_id: finished!.model_id }],
      ]),
    );
  });

  it('do not keep a job from ending while their endpoint is deleted', async () => {
    const jobs = await Promise.all(Array.from({ length: 8 }, () => createJob(fixture.store)));
    await Promise.all([
      ...jobs.map((job) => fixture.store.jobs.request('default', job.id, 'cancel')),
      webhooks().remove('default', id),
    ]);
    for (const job of jobs)
      expect((await fixture.store.jobs.get('default', job.id)).status).toBe('cancelled');
  });

  it('are claimed by one process each, fairly, and of no endpoint that has its share under way', async () => {
    const other = (await webhooks().create('default', request, 100)).resource.id;
    for (let k = 0; k < 6; k += 1) await webhooks().test('default', id);
    await webhooks().test('default', other);
    const fair = await webhooks().claim({ ...all, per_endpoint: 2 });
    expect(fair.map(({ endpoint_id }) => endpoint_id).sort()).toEqual([id, id, other].sort());
    expect(await webhooks().claim({ ...all, per_endpoint: 2, running: new Map([[id, 2]]) })).toEqual([]);
    const next = await webhooks().claim({ ...all, per_endpoint: 2, running: new Map([[id, 1]]) });
    expect(next.map(({ endpoint_id }) => endpoint_id)).toEqual([id]);
    const store = await fixture.another();
    const rest = await Promise.all([webhooks().claim(all), store.webhooks.claim(all), webhooks().claim(all)]);
    const claimed = [...fair, ...next, ...rest.flat()].map((delivery) => delivery.id);
    expect(claimed).toHaveLength(7);
    expect(new Set(claimed).size).toBe(7);
  });

  it('are claimed again when their process has died, which then changes nothing any more', async () => {
    await webhooks().test('default', id);
    const [dead] = await webhooks().claim({ ...all, lease_ms: 0 });
    const [alive] = await webhooks().claim(all);
    expect(alive).toMatchObject({ id: dead!.id, attempts: 2, event_id: dead!.event_id });
    await webhooks().settle(dead!, { type: 'gone', response_status: 410, error: 'too late' });
    expect((await log())[0]).toMatchObject({ status: 'pending', error: null });
    expect((await webhooks().get('default', id)).enabled).toBe(true);
    await webhooks().settle(alive!, { type: 'delivered', response_status: 200 });
    expect((await log())[0]).toMatchObject({ status: 'delivered', attempts: 2 });
  });

  it('wait for their time', async () => {
    await webhooks().test('default', id);
    const [first] = await webhooks().claim(all);
    const retry = { type: 'retry', response_status: 500, error: 'broken' } as const;
    await webhooks().settle(first!, { ...retry, after_ms: 60_000 });
    expect(await webhooks().claim(all)).toEqual([]);
    const [row] = await log();
    expect(row).toMatchObject({ status: 'pending', attempts: 1, response_status: 500, error: 'broken' });
    expect(row!.next_attempt_at).toBeGreaterThan(row!.last_attempt_at! + 55);
  });

  it('are forgotten when they are old, or too many of one endpoint', async () => {
    for (let k = 0; k < 5; k += 1) await webhooks().test('default', id);
    for (const claimed of await webhooks().claim({ ...all, limit: 4 }))
      await webhooks().settle(claimed, { type: 'delivered', response_status: 200 });
    const newest = (await log()).filter(({ status }) => status === 'delivered').slice(0, 2);
    expect(await webhooks().prune(30, 2)).toBe(2);
    const kept = await log();
    expect(kept).toHaveLength(3);
    expect(kept.filter(({ status }) => status === 'delivered')).toEqual(newest);
    await fixture.database.query("UPDATE webhook_deliveries SET created_at = now() - interval '31 days'");
    expect(await webhooks().prune(30, 1000)).toBe(3);
  });

  it('go to so many endpoints of a project as are allowed, also when they are made at once', async () => {
    const made = await Promise.allSettled(
      Array.from({ length: 5 }, () => webhooks().create('default', request, 3)),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    for (const each of made)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'limit_exceeded' });
  });
});
