import { openQueue } from '@unfold/queue';
import { expect, it } from 'vitest';
import { openGateway } from '../support/gateway.ts';
import { waitFor } from '../support/process.ts';
import type { QueueKit } from './queue-kit.ts';

/** Hints between processes, and how a queue opens and closes. */
export const messageGuarantees = ({ store, opener, startProcess }: QueueKit): void => {
  it('a control message reaches every listener in less than a second, and none that has unsubscribed', async (context) => {
    const open = opener(context);
    const address = await store.fresh();
    const queues = await Promise.all([open(address), open(address), open(address)]);
    const heard: number[] = [];
    const subscriptions = queues.map((queue, index) => queue.onControl(() => heard.push(index)));
    await Promise.all(subscriptions.map((subscription) => subscription.ready));
    const began = performance.now();
    await queues[0]!.broadcast({ job_id: 'job-1', action: 'cancel' });
    await waitFor('every listener', () => heard.length === 3);
    expect(performance.now() - began).toBeLessThan(1000);
    subscriptions[1]!();
    await queues[2]!.broadcast({ job_id: 'job-1', action: 'pause' });
    await waitFor('the two others', () => heard.length === 5);
    expect(heard.slice(3).sort()).toEqual([0, 2]);
  });

  it('announcements arrive, merged per job so that the newest is never lost', async (context) => {
    const open = opener(context);
    const address = await store.fresh();
    const [worker, api] = [await open(address), await open(address)];
    const heads = new Map<string, number>();
    let messages = 0;
    await api.onAnnounce(({ job_id, seq }) => {
      messages += 1;
      heads.set(job_id, Math.max(seq, heads.get(job_id) ?? 0));
    }).ready;
    const sent: Promise<void>[] = [];
    for (let seq = 1; seq <= 2000; seq += 1) sent.push(worker.announce({ job_id: `job-${seq % 2}`, seq }));
    await Promise.all(sent);
    await waitFor('the newest of both', () => heads.get('job-0') === 2000 && heads.get('job-1') === 1999);
    expect(messages).toBeLessThan(100);
  });

  it('a closed queue leaves nothing behind that would keep its process alive', async (context) => {
    const child = await startProcess(context, await store.fresh());
    child.tell('close');
    expect(await child.ended).toBe(0);
  });

  it('an unreachable store is an error that says so', async () => {
    const gateway = await openGateway(store.port);
    const address = await store.fresh(gateway.port);
    await gateway.close();
    await expect(openQueue(address)).rejects.toMatchObject({ name: 'UnfoldError', code: 'unavailable' });
  });
};
