import { expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { type QueueKit, ticket } from './queue-kit.ts';

/** Who gets a ticket, when, and how often. */
export const deliveryGuarantees = ({ store, opener }: QueueKit): void => {
  it('delivers every ticket to exactly one of several consumers', async (context) => {
    const open = opener(context);
    const address = await store.fresh();
    const producer = await open(address);
    const delivered: string[] = [];
    for (let consumers = 0; consumers < 3; consumers += 1) {
      const queue = await open(address);
      await queue.consume('cpu', async ({ job_id }) => void delivered.push(job_id));
    }
    const tickets = Array.from({ length: 120 }, (_, job) => ticket(job));
    await Promise.all(tickets.map((each) => producer.enqueue(each)));
    await waitFor('an empty queue', async () => {
      const { waiting, active, delayed } = await producer.counts();
      return waiting + active + delayed === 0;
    });
    expect(delivered.sort()).toEqual(tickets.map((each) => each.job_id).sort());
    expect(await producer.holds(tickets[0]!)).toBe(false);
  });

  it('delivers a higher priority first, and equal ones in the order of their arrival', async (context) => {
    const open = opener(context);
    const queue = await open(await store.fresh());
    const order: string[] = [];
    for (const [job, priority] of [
      ['low', -100],
      ['middle-1', 0],
      ['high', 100],
      ['middle-2', 0],
      ['middle-3', 0],
      ['above', 1],
    ] as const)
      await queue.enqueue(ticket(job, priority));
    expect((await queue.counts()).waiting).toBe(6);
    await queue.consume('cpu', async ({ job_id }) => void order.push(job_id));
    await waitFor('six deliveries', () => order.length === 6);
    expect(order).toEqual(
      ['high', 'above', 'middle-1', 'middle-2', 'middle-3', 'low'].map((id) => `job-${id}`),
    );
  });

  it('holds a ticket once, takes a waiting one back, and delivers a later enqueueing of the same job', async (context) => {
    const open = opener(context);
    const queue = await open(await store.fresh());
    await queue.enqueue(ticket('once'));
    await queue.enqueue(ticket('once'));
    expect((await queue.counts()).waiting).toBe(1);
    expect(await queue.holds(ticket('once'))).toBe(true);
    await queue.remove(ticket('once'));
    await queue.remove(ticket('never-known'));
    expect(await queue.holds(ticket('once'))).toBe(false);
    const counts: number[] = [];
    await queue.consume('cpu', async ({ enqueue_count }) => void counts.push(enqueue_count));
    await queue.enqueue(ticket('once', 0, 2));
    await waitFor('the delivery', () => counts.length > 0);
    expect(counts).toEqual([2]);
  });

  it('hands what needs a GPU to nobody without one, and a process with one a single delivery at a time', async (context) => {
    const open = opener(context);
    const address = await store.fresh();
    const queue = await open(address);
    const others = await open(address);
    const handled: string[] = [];
    let running = 0;
    let most = 0;
    const handle =
      (name: string) =>
      async ({ job_id }: { job_id: string }): Promise<void> => {
        running += 1;
        most = Math.max(most, running);
        // The other lane is asked meanwhile.
        await queue.counts();
        handled.push(`${name} ${job_id}`);
        running -= 1;
      };
    const needsGpu = [1, 2, 3].map((job) => ({ ...ticket(`gpu-${job}`), device: 'gpu' as const }));
    await queue.enqueue(...needsGpu);
    await others.consume('cpu', handle('cpu'));
    await queue.enqueue({ ...ticket('any'), device: null }, { ...ticket('cpu'), device: 'cpu' });
    await waitFor('two deliveries', () => handled.length === 2);
    expect(handled.sort()).toEqual(['cpu job-any', 'cpu job-cpu']);
    expect((await queue.counts()).waiting).toBe(3);
    expect(await queue.holds(needsGpu[0]!)).toBe(true);
    await queue.remove(needsGpu[0]!);
    await others.close();
    await queue.enqueue(...[4, 5, 6].map((job) => ticket(`any-${job}`)));
    await queue.consume('gpu', handle('gpu'));
    await waitFor('every delivery', () => handled.length === 7);
    expect(handled.slice(2).sort()).toEqual(
      ['any-4', 'any-5', 'any-6', 'gpu-2', 'gpu-3'].map((job) => `gpu job-${job}`),
    );
    expect(most).toBe(1);
  });

  it('keeps a ticket that is being handled when it is taken back or enqueued again', async (context) => {
    const open = opener(context);
    const queue = await open(await store.fresh());
    let release = () => {};
    let deliveries = 0;
    await queue.consume('cpu', async () => {
      deliveries += 1;
      await new Promise<void>((resolve) => (release = resolve));
    });
    await queue.enqueue(ticket('busy'));
    await waitFor('the delivery', () => deliveries === 1);
    await queue.remove(ticket('busy'));
    await queue.enqueue(ticket('busy'));
    expect(await queue.holds(ticket('busy'))).toBe(true);
    release();
    await waitFor('the end', async () => !(await queue.holds(ticket('busy'))));
    expect(deliveries).toBe(1);
  });

  it('gives a requeued delivery back at its place in the order, as often as it takes', async (context) => {
    const open = opener(context);
    const address = await store.fresh();
    const stopping = await open(address);
    const queue = await open(address);
    let requeued = 0;
    await stopping.consume('cpu', async (_delivery, { requeue }) => {
      requeued += 1;
      if (requeued <= 6) await requeue();
    });
    await queue.enqueue(ticket('orderly', 5));
    await waitFor('the last delivery', () => requeued === 7);
    await waitFor('the end', async () => !(await queue.holds(ticket('orderly', 5))));
    expect((await queue.counts()).waiting).toBe(0);
  });

  it('a consumer that closes while it requeues leaves the delivery to another', async (context) => {
    const open = opener(context);
    const address = await store.fresh();
    const stopping = await open(address);
    const other = await open(address);
    let stop = () => {};
    let taken = false;
    const consumer = await stopping.consume('cpu', async (_delivery, { requeue }) => {
      taken = true;
      await new Promise<void>((resolve) => (stop = resolve));
      await requeue();
    });
    expect(consumer.running).toBe(true);
    await stopping.enqueue(ticket('handed-over'));
    await waitFor('the delivery', () => taken);
    const closed = consumer.close();
    expect(consumer.running).toBe(false);
    stop();
    await closed;
    const delivered: string[] = [];
    await other.consume('cpu', async ({ job_id }) => void delivered.push(job_id));
    await waitFor('the other delivery', () => delivered.length === 1, 3000);
  });
};
