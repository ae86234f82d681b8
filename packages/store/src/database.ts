import { PrismaPg } from '@prisma/adapter-pg';
import { isConflict, translateError } from './database-errors.ts';
import { Prisma, PrismaClient } from './generated/client.ts';

/** A connection on which a method runs its queries: the pool, or one transaction. */
export type Queries = Prisma.TransactionClient;

export interface Database {
  /** Runs queries that need no transaction. A lost database is `unavailable`. */
  run<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /** Runs queries in one transaction (read committed), again if PostgreSQL chose it as a deadlock's victim. */
  transaction<T>(work: (queries: Queries) => Promise<T>, timeout_ms?: number): Promise<T>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  databaseUrl: string;
  connections: number;
  log: (message: string) => void;
}

const defaultTimeout_ms = 30_000;
const maxWait = 10_000;
const conflictRetries = 5;

export const openDatabase = ({ databaseUrl, connections, log }: DatabaseOptions): Database => {
  const adapter = new PrismaPg(
    {
      connectionString: databaseUrl,
      max: connections,
      connectionTimeoutMillis: 5_000,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      // A process that is stopped inside a transaction must not keep a job's head row locked.
      idle_in_transaction_session_timeout: 10_000,
      // Prisma's adapter reads and writes timestamps as if every session were in UTC.
      options: '-c TimeZone=UTC',
    },
    {
      onPoolError: (error) => log(`An idle database connection broke: ${error.message}`),
      onConnectionError: (error) => log(`A database connection broke: ${error.message}`),
    },
  );
  const prisma = new PrismaClient({ adapter });

  const translated = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw translateError(error);
    }
  };

  const transaction = async <T>(work: (queries: Queries) => Promise<T>, timeout: number): Promise<T> => {
    for (let retry = 0; ; retry += 1) {
      try {
        return await prisma.$transaction(work, { maxWait, timeout });
      } catch (error) {
        if (retry < conflictRetries && isConflict(error)) continue;
        throw error;
      }
    }
  };

  return {
    run: (work) => translated(() => work(prisma)),
    transaction: (work, timeout_ms = defaultTimeout_ms) => translated(() => transaction(work, timeout_ms)),
    close: () => prisma.$disconnect(),
  };
};

export { Prisma };
