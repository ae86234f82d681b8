import { openQueue, type Queue, type Ticket } from '@unfold/queue';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { openGateway } from '../support/gateway.ts';
import { waitFor } from '../support/process.ts';
import { startConsumerProcess } from './consumer-process.ts';
import type { QueueAddress, QueueStore } from './stores.ts';

const ticket = (job: number | string, priority = 0, enqueue_count = 1): Ticket => ({
  job_id: `job-${job}`,
  enqueue_count,
  priority,
  device: null,
});

interface StoreUnderTest {
  name: string;
  /** Why its tests are left out here, or null. */
  missing: string | null;
  start(): Promise<QueueStore>;
}

const succeeds = (work: () => Promise<void>) => (): Promise<boolean> =>
  work().then(
    () => true,
    () => false,
  );

/** What `@unfold/queue` promises on whichever store. */
export const describeQueue = ({ name, missing, start }: StoreUnderTest): void => {
  const title = missing === null ? `the queue on ${name}` : `the queue on ${name} (left out: ${missing})`;
  describe.skipIf(missing !== null)(title, () => {
    let store: QueueStore;
    beforeAll(async () => {
      store = await start();
    });
    afterAll(() => store?.remove());

    const opener =
      ({ onTestFinished }: TestContext) =>
      async (address: QueueAddress, log?: (message: string) => void): Promise<Queue> => {
        const queue = await openQueue({ ...address, log: (_level, message) => log?.(message) });
        onTestFinished(() => queue.close());
        return queue;
      };
    const startProcess = async ({ onTestFinished }: TestContext, address: QueueAddress) => {
      const child = await startConsumerProcess(address);
      onTestFinished(child.remove);
      return child;
    };
    const startGateway = async ({ onTestFinished }: TestContext) => {
      const gateway = await openGateway(store.port);
      onTestFinished(gateway.close);
      return gateway;
    };

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
  });
};
