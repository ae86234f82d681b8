import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { isConflict, isPooled, isStaleStatement, translateError } from './database-errors.ts';
import { Prisma, PrismaClient } from './generated/client.ts';
import { createStatements, type Statements } from './statements.ts';

/** A connection on which a method runs its queries: the pool, or one transaction. */
export type Queries = Prisma.TransactionClient;
export type { Statements };

export interface Database {
  /** Runs queries that need no transaction. Statements written by hand are prepared. A lost database is `unavailable`. */
  run<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /**
   * Runs statements in one transaction (read committed), again if PostgreSQL chose it as a deadlock's victim or a table has changed
   * under what its connection had prepared. What takes longer than `timeout_ms` is rolled back and `unavailable`.
   */
  transaction<T>(work: (statements: Statements) => Promise<T>, timeout_ms?: number): Promise<T>;
  /** The same where Prisma's own queries take part. It costs some milliseconds more. */
  prismaTransaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
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

/** Runs work in a transaction on a connection of its own. */
const inTransaction = async <T>(
  pool: pg.Pool,
  prepares: () => boolean,
  work: (statements: Statements) => Promise<T>,
  timeout_ms: number,
): Promise<T> => {
  const client = await pool.connect();
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      broken = Object.assign(new Error(`No end within ${timeout_ms} ms.`), { code: 'ETIMEDOUT' });
      reject(broken);
    }, timeout_ms);
  });
  const whole = async (): Promise<T> => {
    await client.query('BEGIN');
    const result = await work(createStatements((statement) => client.query(statement), prepares));
    await client.query('COMMIT');
    return result;
  };
  try {
    return await Promise.race([whole(), late]);
  } catch (error) {
    // What the connection had prepared would fail on it for ever.
    if (isStaleStatement(error)) broken ??= error as Error;
    if (broken === undefined) await client.query('ROLLBACK').catch(onError);
    throw error;
  } finally {
    clearTimeout(timer);
    client.off('error', onError);
    // A connection in a state that nobody knows is closed, which rolls back whatever was open.
    client.release(broken);
  }
};

export const openDatabase = ({ databaseUrl, connections, log }: DatabaseOptions): Database => {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: connections,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    // A process that is stopped inside a transaction must not keep a job's head row locked.
    idle_in_transaction_session_timeout: 10_000,
    // Prisma's adapter reads and writes timestamps as if every session were in UTC.
    options: '-c TimeZone=UTC',
  });
  pool.on('error', (error) => log(`An idle database connection broke: ${error.message}`));
  const adapter = new PrismaPg(pool, {
    onConnectionError: (error) => log(`A database connection broke: ${error.message}`),
  });
  const prisma = new PrismaClient({ adapter });
  let isPreparing = true;
  const prepares = (): boolean => isPreparing;
  const stopPreparing = (): void => {
    if (isPreparing)
      log(
        'Prepared statements do not last on the connections to the database, as behind a pooler: going on without, which is slower.',
      );
    isPreparing = false;
  };
  const repeated = async <T>(once: () => Promise<T>): Promise<T> => {
    let conflicts = 0;
    let stale = 0;
    let pooled = false;
    for (;;) {
      try {
        return await once();
      } catch (error) {
        if (isConflict(error) && conflicts < conflictRetries) conflicts += 1;
        // Each try costs a connection that prepared too early, and there are no more of them than this.
        else if (isStaleStatement(error) && stale < connections) stale += 1;
        else if (isPooled(error) && !pooled) {
          pooled = true;
          stopPreparing();
        } else throw error;
      }
    }
  };

  // The pool itself closes a connection whose statement failed.
  const sendPrepared = createStatements((statement) => pool.query(statement), prepares);
  // A statement that is sent again may have to go unprepared.
  const $queryRaw = (...asked: Parameters<typeof sendPrepared.$queryRaw>) =>
    repeated(() => sendPrepared.$queryRaw(...asked));
  const $executeRaw = (...asked: Parameters<typeof sendPrepared.$executeRaw>) =>
    repeated(() => sendPrepared.$executeRaw(...asked));
  // Defined and not assigned, which the client would take for itself, its transactions included.
  const pooled: Queries = Object.create(prisma, {
    $queryRaw: { value: $queryRaw },
    $executeRaw: { value: $executeRaw },
  });

  const translated = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw translateError(error);
    }
  };

  return {
    run: (work) => translated(() => work(pooled)),
    transaction: (work, timeout_ms = defaultTimeout_ms) =>
      translated(() => repeated(() => inTransaction(pool, prepares, work, timeout_ms))),
    prismaTransaction: (work) =>
      translated(() => repeated(() => prisma.$transaction(work, { maxWait, timeout: defaultTimeout_ms }))),
    async close() {
      await prisma.$disconnect();
      if (!pool.ending) await pool.end();
    },
  };
};

export { Prisma };
