import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../support/process.ts';
import type { QueueAddress } from './stores.ts';

interface Report {
  event: 'ready' | 'log' | 'delivered' | 'aborted' | 'finished';
  job_id?: string;
  at: number;
}

/** A consumer in a process of its own; see `consumer-process.mjs`. */
export const startConsumerProcess = async ({ redisUrl, databaseUrl }: QueueAddress) => {
  const script = fileURLToPath(new URL('consumer-process.mjs', import.meta.url));
  const env = {
    ...process.env,
    UNFOLD_TEST_REDIS_URL: redisUrl ?? '',
    UNFOLD_TEST_DATABASE_URL: databaseUrl,
  };
  const child = spawn(process.execPath, [script], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const reports: Report[] = [];
  createInterface({ input: child.stdout }).on('line', (line) =>
    reports.push({ ...JSON.parse(line), at: performance.now() }),
  );
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const report = (event: Report['event'], timeoutMs?: number): Promise<Report> =>
    waitFor(`"${event}" of the consumer`, () => reports.find((each) => each.event === event), timeoutMs);
  await Promise.race([
    report('ready'),
    ended.then((code) => Promise.reject(new Error(`the consumer ended with ${code} before it was ready`))),
  ]);
  return {
    report,
    tell: (line: 'finish' | 'close') => child.stdin.write(`${line}\n`),
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    ended,
    /** Ends it whatever its state. */
    remove: async () => {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await ended;
    },
  };
};

export type ConsumerProcess = Awaited<ReturnType<typeof startConsumerProcess>>;
