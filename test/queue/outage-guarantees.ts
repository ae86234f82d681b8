import { openQueue } from '@unfold/queue';
import { expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { type QueueKit, ticket } from './queue-kit.ts';

const succeeds = (work: () => Promise<void>) => (): Promise<boolean> =>
  work().then(
    () => true,
    () => false,
  );

/** What comes through a handler that throws, a consumer that dies, and a store that is away or crashes. */
export const outageGuarantees = ({ store, opener, startProcess, startGateway }: QueueKit): void => {
  // Each of these waits for locks to run out: together they take as long as the slowest.
  it.concurrent('brings a delivery back whose handler threw', async (context) => {
    const open = opener(context);
    const messages: string[] = [];
    const queue = await open(await store.fresh(), (message) => messages.push(message));
    let deliveries = 0;
    await queue.consume('cpu', async () => {
      deliveries += 1;
      if (deliveries === 1) throw new Error('the database went away');
    });
    await queue.enqueue(ticket('thrown'));
    await waitFor('the second delivery', () => deliveries === 2);
    await waitFor('the end', async () => !(await queue.holds(ticket('thrown'))));
    expect(messages).toEqual([expect.stringContaining('job-thrown-1 failed')]);
  });

  it.concurrent('brings the delivery of a killed consumer, and that of a frozen one, to another in about 15 s', async (context) => {
    const open = opener(context);
    const address = await store.fresh();
    const queue = await open(address);
    const [killed, frozen] = [await startProcess(context, address), await startProcess(context, address)];
    await queue.enqueue(ticket('one'));
    await queue.enqueue(ticket('two'));
    await Promise.all([killed.report('delivered'), frozen.report('delivered')]);
    const delivered: string[] = [];
    await queue.consume('cpu', async ({ job_id }) => void delivered.push(job_id));
    const began = performance.now();
    killed.kill('SIGKILL');
    frozen.kill('SIGSTOP');
    await waitFor('both deliveries', () => delivered.length === 2, 25_000);
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(delivered.sort()).toEqual(['job-one', 'job-two']);
    // Woken up, the frozen one learns that its delivery is another's now, and what it does then changes nothing.
    frozen.kill('SIGCONT');
    await frozen.report('aborted');
    frozen.tell('finish');
    await frozen.report('finished');
    await waitFor('an empty queue', async () => {
      const { waiting, active, delayed } = await queue.counts();
      return waiting + active + delayed === 0;
    });
    expect(delivered).toHaveLength(2);
  });

  it.concurrent('outlives an outage: producers are told at once, and afterwards everything goes on', async (context) => {
    const open = opener(context);
    const gateway = await startGateway(context);
    const address = await store.fresh(gateway.port);
    const messages: string[] = [];
    const producer = await open(address, (message) => messages.push(message));
    const consumer = await open(address);
    const delivered: string[] = [];
    const heard: string[] = [];
    await consumer.consume('cpu', async ({ job_id }) => void delivered.push(job_id));
    await consumer.onControl(({ job_id }) => heard.push(job_id)).ready;
    await producer.enqueue(ticket('before'));
    await waitFor('the first delivery', () => delivered.length === 1);

    await gateway.cut();
    const began = performance.now();
    const refused = { name: 'UnfoldError', code: 'unavailable' };
    await expect(producer.enqueue(ticket('during'))).rejects.toMatchObject(refused);
    await expect(producer.broadcast({ job_id: 'job-1', action: 'cancel' })).rejects.toMatchObject(refused);
    await expect(producer.ping()).rejects.toMatchObject(refused);
    await producer.announce({ job_id: 'job-1', seq: 1 });
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(messages.length).toBeGreaterThan(0);
    expect(messages.length).toBeLessThan(20);

    await gateway.mend();
    await waitFor(
      'the producer',
      succeeds(() => producer.enqueue(ticket('after'))),
      10_000,
    );
    await waitFor('delivery', () => delivered.includes('job-after'), 10_000);
    await waitFor(
      'control',
      async () => {
        await producer.broadcast({ job_id: 'job-2', action: 'cancel' }).catch(() => {});
        return heard.includes('job-2');
      },
      15_000,
    );
  });

  it.concurrent('the ticket of a handler that ran through a long outage is neither lost nor kept', async (context) => {
    const open = opener(context);
    const gateway = await startGateway(context);
    const queue = await open(await store.fresh(gateway.port));
    let deliveries = 0;
    let finish = () => {};
    await queue.consume('cpu', async (_delivery, { signal }) => {
      deliveries += 1;
      if (deliveries > 1) return;
      await new Promise<void>((resolve) => {
        finish = resolve;
        signal.addEventListener('abort', () => resolve());
      });
    });
    await queue.enqueue(ticket('long'));
    await waitFor('the delivery', () => deliveries === 1);
    await gateway.cut();
    const cut = performance.now();
    await waitFor('the end of the lock', () => performance.now() - cut > 11_000);
    await gateway.mend();
    await waitFor(
      'the store',
      succeeds(() => queue.ping()),
    );
    finish();
    await waitFor('the end', async () => !(await queue.holds(ticket('long'))), 40_000);
    expect(deliveries).toBeLessThanOrEqual(2);
  });

  it.concurrent('closes in bounded time while the store is away', async (context) => {
    const gateway = await startGateway(context);
    const queue = await openQueue(await store.fresh(gateway.port));
    await queue.consume('cpu', async () => {});
    await gateway.cut();
    const began = performance.now();
    await queue.close();
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it('a crash of the store in the middle of traffic loses no ticket that it accepted', async (context) => {
    const open = opener(context);
    const gateway = await startGateway(context);
    const address = await store.fresh(gateway.port);
    const producer = await open(address);
    const accepted: string[] = [];
    const delivered = new Set<string>();
    for (let consumers = 0; consumers < 2; consumers += 1) {
      const queue = await open(address);
      await queue.consume('cpu', async ({ job_id }) => void delivered.add(job_id));
    }
    let stopped = false;
    const traffic = async (lane: number): Promise<void> => {
      for (let job = 0; !stopped; job += 1) {
        const next = ticket(`${lane}-${job}`);
        await producer.enqueue(next).then(
          () => accepted.push(next.job_id),
          () => new Promise((resolve) => setTimeout(resolve, 20)),
        );
        void producer.announce({ job_id: next.job_id, seq: job });
      }
    };
    const lanes = [traffic(0), traffic(1), traffic(2)];
    const moves = (before: number) => () => accepted.length > before + 50;
    await waitFor('traffic', moves(0));
    await store.crash();
    await waitFor('traffic after the crash', moves(accepted.length));
    await gateway.cut();
    await gateway.mend();
    await waitFor('traffic after the cut', moves(accepted.length));
    stopped = true;
    await Promise.all(lanes);
    await waitFor('every accepted ticket', () => accepted.every((id) => delivered.has(id)), 40_000);
  });
};
