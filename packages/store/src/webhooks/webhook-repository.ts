import type { Database } from '../database.ts';
import { createDeliveries } from './deliveries.ts';
import { createEndpoints } from './endpoints.ts';
import type { SecretBox } from './secret-box.ts';
import type { WebhookRepository } from './webhooks.ts';

export const createWebhookRepository = (database: Database, box: SecretBox): WebhookRepository => ({
  ...createEndpoints(database, box),
  ...createDeliveries(database, box),
});
