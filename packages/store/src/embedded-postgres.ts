export interface EmbeddedPostgresOptions {
  /** Unfold's data folder; the server keeps its files in `postgres` below it. */
  dataDir: string;
  log?: (message: string) => void;
}

export interface EmbeddedPostgres {
  databaseUrl: string;
  pid: number;
  /** `pg_ctl stop -m fast`: open transactions are rolled back. No error if it is already stopped. */
  stop(): Promise<void>;
}

/** Starts a PostgreSQL 18 of our own, or finds the one that already serves this folder. */
export const startEmbeddedPostgres = async (_options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  throw new Error('The embedded database is under construction.');
};
