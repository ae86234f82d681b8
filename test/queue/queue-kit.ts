import { openQueue, type Queue, type Ticket } from '@unfold/queue';
import type { TestContext } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type ConsumerProcess, startConsumerProcess } from './consumer-process.ts';
import type { QueueAddress, QueueStore } from './stores.ts';

export const ticket = (job: number | string, priority = 0, enqueue_count = 1): Ticket => ({
  job_id: `job-${job}`,
  enqueue_count,
  priority,
  device: null,
});

/** What tests of a queue are made with; what they open closes when they end. */
export interface QueueKit {
  /** As soon as a test runs. */
  store: Pick<QueueStore, 'fresh' | 'port' | 'crash'>;
  opener(context: TestContext): (address: QueueAddress, log?: (message: string) => void) => Promise<Queue>;
  startProcess(context: TestContext, address: QueueAddress): Promise<ConsumerProcess>;
  /** A way to the store that can be cut. */
  startGateway(context: TestContext): Promise<Gateway>;
}

/** @param started the store, once it has been started */
export const createKit = (started: () => QueueStore): QueueKit => {
  const store: QueueKit['store'] = {
    fresh: (port) => started().fresh(port),
    port: () => started().port(),
    crash: () => started().crash(),
  };
  return {
    store,
    opener:
      ({ onTestFinished }) =>
      async (address, log) => {
        const queue = await openQueue({ ...address, log: (_level, message) => log?.(message) });
        onTestFinished(() => queue.close());
        return queue;
      },
    startProcess: async ({ onTestFinished }, address) => {
      const child = await startConsumerProcess(address);
      onTestFinished(child.remove);
      return child;
    },
    startGateway: async ({ onTestFinished }) => {
      const gateway = await openGateway(store.port);
      onTestFinished(gateway.close);
      return gateway;
    },
  };
};
