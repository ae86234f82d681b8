import { PrismaPg } from '@prisma/adapter-pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prisma, PrismaClient } from '../../packages/store/src/generated/client.ts';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';

const tables: Record<Prisma.ModelName, string> = {
  File: 'files',
  Job: 'jobs',
  JobHead: 'job_heads',
  Event: 'events',
  Checkpoint: 'checkpoints',
  Model: 'models',
  ApiKey: 'api_keys',
  IdempotencyKey: 'idempotency_keys',
  WebhookEndpoint: 'webhook_endpoints',
  WebhookDelivery: 'webhook_deliveries',
  Session: 'sessions',
  SessionSnapshot: 'session_snapshots',
  Worker: 'workers',
};

describe('schema.prisma and the migrations', () => {
  let database: TestDatabase;
  let prisma: PrismaClient;
  beforeAll(async () => {
    database = await withDatabase();
    prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.databaseUrl }) });
  });
  afterAll(async () => {
    await prisma.$disconnect();
    await database.drop();
  });

  it('make the same tables', async () => {
    const rows = await database.query<{ name: string }>(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'",
    );
    const made = rows.map(({ name }) => name).filter((name) => name !== '_prisma_migrations');
    expect(made.sort()).toEqual(Object.values(tables).sort());
  });

  it.each(Object.entries(tables))(
    'give %s the same columns, and the client can read them',
    async (model, table) => {
      const fields = (Prisma as unknown as Record<string, object>)[`${model}ScalarFieldEnum`];
      const rows = await database.query<{ name: string }>(
        'SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1',
        [table],
      );
      expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(fields ?? {}).sort());
      const delegate = `${model[0]?.toLowerCase()}${model.slice(1)}`;
      const reader = (prisma as unknown as Record<string, { findFirst(): Promise<unknown> }>)[delegate];
      expect(await reader?.findFirst()).toBeNull();
    },
  );
});
