import { afterAll, beforeAll, describe } from 'vitest';
import { deliveryGuarantees } from './delivery-guarantees.ts';
import { messageGuarantees } from './message-guarantees.ts';
import { outageGuarantees } from './outage-guarantees.ts';
import { createKit } from './queue-kit.ts';
import type { QueueStore } from './stores.ts';

interface StoreUnderTest {
  name: string;
  /** Why its tests are left out here, or null. */
  missing: string | null;
  start(): Promise<QueueStore>;
}

/** What `@unfold/queue` promises on whichever store. */
export const describeQueue = ({ name, missing, start }: StoreUnderTest): void => {
  const title = missing === null ? `the queue on ${name}` : `the queue on ${name} (left out: ${missing})`;
  describe.skipIf(missing !== null)(title, () => {
    let store: QueueStore;
    beforeAll(async () => {
      store = await start();
    });
    afterAll(() => store?.remove());

    const kit = createKit(() => store);
    deliveryGuarantees(kit);
    messageGuarantees(kit);
    outageGuarantees(kit);
  });
};
