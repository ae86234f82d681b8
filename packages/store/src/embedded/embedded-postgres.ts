import { spawn } from 'node:child_process';
import { mkdir, open, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Binaries, findBinaries } from './binaries.ts';
import { type Cluster, createCluster, readCluster, systemFolder } from './cluster.ts';
import { ask, type Postmaster, readPostmaster, serves } from './postmaster.ts';
import { postgresEnvironment, type RunAs, run } from './run.ts';
import { withLockFile } from './start-lock.ts';
import { postgresUser } from './system-user.ts';

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

const databaseName = 'unfold';
const startPatience_ms = 60_000;
const logLimit_bytes = 10 * 1024 * 1024;

/** A modest server for one machine: some 100 MB with its caches, and room for the API, the workers and the queue. */
const settings: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '64MB',
  max_wal_size: '512MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  // Parallel queries need shared memory that small containers lack, and nothing here is worth them.
  max_parallel_workers_per_gather: '0',
  max_parallel_maintenance_workers: '0',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

interface Server {
  binaries: Binaries;
  cluster: Cluster;
  as: RunAs | null;
  logFile: string;
  portFile: string;
}

const urlOf = (cluster: Cluster, port: number, database = databaseName): string =>
  `postgresql://${cluster.user}:${cluster.password}@127.0.0.1:${port}/${database}`;

const freePort = (wanted: number): Promise<number> =>
  new Promise((done, fail) => {
    const probe = createServer();
    probe.on('error', (error) => (wanted === 0 ? fail(error) : done(freePort(0))));
    probe.listen(wanted, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });

const lastLines = async (path: string): Promise<string> =>
  (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(-12).join('\n').trim();

/** A server that says it is ready may still be recovering: ask until it answers or its process ends. */
const answers = async (server: Server, { pid, port }: Postmaster): Promise<boolean> => {
  const deadline = Date.now() + startPatience_ms;
  let last: unknown;
  while (await serves(pid, server.cluster.data)) {
    try {
      const [row] = await ask(urlOf(server.cluster, port, 'postgres'), 'SHOW data_directory');
      return row?.data_directory === (await realpath(server.cluster.data));
    } catch (error) {
      last = error;
      // 28P01: it is a server, but not one with our password.
      if ((error as { code?: string }).code === '28P01') throw error;
      if (Date.now() > deadline) break;
      await delay(50);
    }
  }
  if (last && Date.now() > deadline)
    throw new Error(`PostgreSQL (pid ${pid}) does not answer on port ${port}.`, { cause: last });
  return false;
};

const running = async (server: Server): Promise<Postmaster | null> => {
  const found = await readPostmaster(server.cluster.data);
  return found && (await answers(server, found)) ? found : null;
};

/** Starts the server as the leader of a process group of its own, so that Ctrl-C in a terminal does not reach it. */
const launch = async (server: Server): Promise<Postmaster | null> => {
  // At the port of its last start if that is free: processes that know it go on where they were.
  const last = Number(await readFile(server.portFile, 'utf8').catch(() => '0'));
  const port = await freePort(Number.isSafeInteger(last) && last > 0 && last < 65_536 ? last : 0);
  const { size } = await stat(server.logFile).catch(() => ({ size: 0 }));
  const log = await open(server.logFile, size > logLimit_bytes ? 'w' : 'a', 0o600);
  try {
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(server.binaries.postgres, ['-D', server.cluster.data, '-p', String(port), ...flags], {
      detached: true,
      cwd: '/',
      env: postgresEnvironment(),
      stdio: ['ignore', log.fd, log.fd],
      ...(server.as ? { uid: server.as.uid, gid: server.as.gid } : {}),
    });
    const ended = new Promise<'ended'>((done, fail) => {
      child.on('error', fail);
      child.on('exit', () => done('ended'));
    });
    child.unref();
    const pid = child.pid ?? 0;
    // It changes into its data folder and writes its pid file a moment after it began.
    for (;;) {
      const written = await readPostmaster(server.cluster.data);
      if (written?.pid === pid) break;
      if ((await Promise.race([ended, delay(20)])) === 'ended') return null;
    }
    if (!(await answers(server, { pid, port }))) return null;
    await writeFile(server.portFile, `${port}\n`);
    return { pid, port };
  } finally {
    await log.close();
  }
};

/**
 * After a killed server its children hold the shared memory for a moment, and another program may take the port
 * between our look and the server's: both end a start at once, and both mend with another try.
 */
const start = async (server: Server): Promise<Postmaster> => {
  const stale = await readPostmaster(server.cluster.data);
  // PostgreSQL would refuse if the dead server's number now belongs to another process of the same user.
  if (stale && !(await serves(stale.pid, server.cluster.data)))
    await rm(join(server.cluster.data, 'postmaster.pid'), { force: true });
  const deadline = Date.now() + 15_000;
  for (;;) {
    const started = await launch(server);
    if (started) return started;
    if (Date.now() > deadline)
      throw new Error(`PostgreSQL does not start:\n${await lastLines(server.logFile)}`);
    await delay(200);
  }
};

const ensureDatabase = async (server: Server, { port }: Postmaster): Promise<void> => {
  const url = urlOf(server.cluster, port, 'postgres');
  const found = await ask(url, `SELECT 1 FROM pg_database WHERE datname = '${databaseName}'`);
  if (found.length === 0) await ask(url, `CREATE DATABASE "${databaseName}"`);
};

const stop = async ({ binaries, cluster, as }: Server): Promise<void> => {
  const found = await readPostmaster(cluster.data);
  if (!found || !(await serves(found.pid, cluster.data))) return;
  const { code, output } = await run(
    binaries.pg_ctl,
    ['stop', '-D', cluster.data, '-m', 'fast', '-w', '-t', '60'],
    as,
  );
  if (code !== 0 && (await serves(found.pid, cluster.data)))
    throw new Error(`PostgreSQL (pid ${found.pid}) does not stop: ${output.trim()}`);
};

/**
 * Starts a PostgreSQL 18 of our own, or finds the one that already serves this folder. It goes on when this process
 * ends, however it ends; the next start finds it. With the data folder deleted, the next start makes a fresh one.
 */
export const startEmbeddedPostgres = async ({
  dataDir,
  log = () => undefined,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  const home = join(resolve(dataDir), 'postgres');
  await mkdir(home, { recursive: true });
  return withLockFile(join(home, 'start.lock'), 2 * startPatience_ms, async () => {
    const known = await readCluster(home);
    const as = known ? known.owner : await postgresUser(log);
    const binaries = await findBinaries(as, as ? systemFolder : home, log);
    const cluster = known ?? (await createCluster(home, binaries, as, log));
    const server: Server = {
      binaries,
      cluster,
      as,
      logFile: join(home, 'server.log'),
      portFile: join(home, 'port'),
    };
    const postmaster = (await running(server)) ?? (await start(server));
    await ensureDatabase(server, postmaster);
    return {
      databaseUrl: urlOf(cluster, postmaster.port),
      pid: postmaster.pid,
      stop: () => stop(server),
    };
  });
};
