import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from '@unfold/config';
import { availableProcessors } from '@unfold/kernels';
import { type EmbeddedPostgres, isSameProcess, startEmbeddedPostgres } from '@unfold/store';
import { CommandError, messageOf } from './command-error.ts';
import { findEngine } from './find-engine.ts';
import { refuseOpenAddress } from './open-address.ts';
import { urlOf } from './ports.ts';
import { type Supervised, supervise } from './supervised-process.ts';
import { claimUpFile, type UpFile } from './up-file.ts';

const apiScript = fileURLToPath(new URL('../../api/dist/main.js', import.meta.url));
const workerScript = fileURLToPath(new URL('../../worker/dist/main.js', import.meta.url));
const startPatienceMs = 120_000;
const apiGraceMs = 15_000;
const databaseWatchMs = 1000;

export interface ServiceOptions {
  config: Config;
  /** A port that is free, so that a restarted API comes back at the same address. */
  port: number;
  workers: number;
  /** One more worker, which owns the machine's GPU. */
  gpu?: boolean;
  /** Where the processes write their logs: this terminal, or a file in the data folder. */
  output: 'terminal' | 'file';
  log: (message: string) => void;
}

/** Database, API and workers of one machine, as processes of their own. */
export interface Service {
  readonly url: string;
  /**
   * Resolves with true when the API answers and every worker takes jobs, with false when it was stopped meanwhile;
   * rejects if one of them cannot start.
   */
  start(): Promise<boolean>;
  /** Workers first, which write their checkpoints, then the API, then the database. At any moment, also during start. */
  stop(): Promise<void>;
  /** Ends the processes at once. What was running goes on from its checkpoints at the next start. */
  kill(): void;
}

const untilReady = async (url: string, gaveUp: () => boolean): Promise<void> => {
  while (!gaveUp()) {
    const answer = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(5000) }).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    await delay(50);
  }
};

export const createService = ({
  config,
  port,
  workers,
  gpu = false,
  output,
  log,
}: ServiceOptions): Service => {
  const url = urlOf(config.host, port);
  let engine: string = config.engine;
  let upFile: UpFile | null = null;
  let database: EmbeddedPostgres | null = null;
  let databaseWatch: NodeJS.Timeout | null = null;
  let children: Supervised[] = [];
  let stopping: Promise<void> | null = null;
  let tellStopped: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    tellStopped = resolve;
  });
  let logFile: number | null = null;

  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    HOST: config.host,
    PORT: String(port),
    UNFOLD_DATA_DIR: config.dataDir,
    UNFOLD_ENGINE: engine,
    // Workers of one machine share its processors; a thread more than there are processors only gets in the way.
    UNFOLD_THREADS: String(
      config.threads ?? Math.max(1, Math.floor(availableProcessors() / Math.max(1, workers))),
    ),
    ...(database ? { DATABASE_URL: database.databaseUrl } : {}),
  });
  /** One heap of the C library for all threads: each of its own keeps memory that it does not use. */
  const workerEnvironment = (): NodeJS.ProcessEnv => ({ MALLOC_ARENA_MAX: '1', ...environment() });

  const gpuEnvironment = (): NodeJS.ProcessEnv => ({ ...workerEnvironment(), UNFOLD_DEVICE: 'gpu' });

  const recordChildren = (): void => {
    const living = children.flatMap(({ name, identity }) => {
      const known = identity();
      return known ? [{ name, ...known }] : [];
    });
    if (!stopping) upFile?.update({ children: living }).catch((error) => log(messageOf(error)));
  };

  /** The database is watched by its process: it is no child of ours, so that it outlives a killed `up`. */
  const watchDatabase = async (): Promise<void> => {
    if (!database || stopping) return;
    try {
      if (!(await isSameProcess(database.pid, null)) && !stopping) {
        log('The database ended; starting it again.');
        const before = database.databaseUrl;
        database = await startEmbeddedPostgres({ dataDir: config.dataDir, log });
        await upFile?.update({ database_url: database.databaseUrl });
        // Its port may have changed, which processes learn only when they start.
        if (database.databaseUrl !== before) for (const child of children) child.restart();
      }
    } catch (error) {
      log(`The database does not start: ${messageOf(error)}`);
    }
    if (!stopping) databaseWatch = setTimeout(watchDatabase, databaseWatchMs);
  };

  const startAll = async (): Promise<boolean> => {
    await refuseOpenAddress(config);
    engine = await findEngine(config, log);
    if (stopping) return false;
    upFile = await claimUpFile(config.dataDir, log);
    if (config.databaseUrl === null) {
      database = await startEmbeddedPostgres({ dataDir: config.dataDir, log });
      void watchDatabase();
    }
    if (stopping) return false;
    await upFile.update({ url, database_url: database?.databaseUrl ?? config.databaseUrl });
    if (output === 'file') {
      await mkdir(join(config.dataDir, 'logs'), { recursive: true });
      logFile = openSync(join(config.dataDir, 'logs', 'unfold.log'), 'a', 0o600);
    }
    const run = (name: string, script: string, env = environment): Supervised => {
      const stdio = logFile ?? 'inherit';
      const child = supervise({ name, script, env, stdio, log, onStart: recordChildren });
      children = [...children, child];
      return child;
    };
    const api = run('API', apiScript);
    const stillborn = Promise.race([api.stillborn, delay(startPatienceMs, null, { ref: false }).then(late)]);
    let gaveUp = false;
    try {
      // One after the other, since the first to connect applies the migrations.
      await Promise.race([untilReady(url, () => gaveUp || stopping !== null), stillborn]);
      if (stopping) return false;
      const started = Array.from({ length: workers }, (_, index) =>
        run(workers === 1 ? 'worker' : `worker ${index + 1}`, workerScript, workerEnvironment),
      );
      if (gpu) started.push(run('GPU worker', workerScript, gpuEnvironment));
      const ready = Promise.all(started.map((worker) => Promise.race([worker.ready, worker.stillborn])));
      await Promise.race([ready, stillborn, stopped]);
    } finally {
      gaveUp = true;
    }
    if (stopping) return false;
    for (const child of children) child.settled();
    return true;
  };

  const late = (): never => {
    throw new CommandError(`The service was not ready within ${startPatienceMs / 1000} s.`);
  };

  const stopAll = async (): Promise<void> => {
    if (databaseWatch) clearTimeout(databaseWatch);
    const [api, ...workerProcesses] = children;
    const workerGraceMs = config.shutdownGraceSeconds * 1000 + 5000;
    await Promise.all(workerProcesses.map((worker) => worker.stop(workerGraceMs)));
    await api?.stop(apiGraceMs);
    await database?.stop();
    if (logFile !== null) closeSync(logFile);
    await upFile?.remove();
  };

  let starting: Promise<boolean> | null = null;
  return {
    url,
    start: () => (starting ??= startAll()),
    stop: () => {
      tellStopped();
      stopping ??= Promise.resolve()
        // A database that is just being made is waited for, so that it is not left running.
        .then(async () => {
          if (children.length === 0) await starting;
        })
        .catch(() => undefined)
        .then(stopAll);
      return stopping;
    },
    kill: () => {
      for (const child of children) child.kill();
    },
  };
};
