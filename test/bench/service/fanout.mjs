// Many sockets that follow one run: whether each gets every event in order, how old events are by then, and what it costs the API.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openQueue } from '@unfold/queue';
import { openStore } from '@unfold/store';
import { format, table } from '../measure.mjs';
import { processorSeconds } from './server.mjs';

const eventsPerSecond = 20;
const text = 'the cat sat on the mat.\n'.repeat(40);

async function* chunksOf(content) {
  yield new TextEncoder().encode(content);
}

/** Megabytes that a process holds in memory; null where there is no /proc. */
async function memoryOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null);
  return status && (1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])) / 1e6;
}

/** A running job whose events come from here, as a worker writes them. */
async function startRun(store, queue, url) {
  const file = await store.files.create('default', {
    filename: 'cats.txt',
    purpose: 'training',
    upload: chunksOf(text),
    limit_bytes: 1_000_000,
  });
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ file: file.resource.id, training: { sequence_length: 16 } });
  const job = await (await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body })).json();
  const claimed = await store.jobs.claim(job.id, { worker: 'bench', engines: ['reference'] });
  await queue.announce({ job_id: job.id, seq: claimed.head });
  return claimed.claim;
}

export const fanout = {
  name: 'fanout',
  help: 'sockets that follow a run of 20 events a second',
  async measure(service, { subscribers, seconds }) {
    const { DATABASE_URL: databaseUrl, UNFOLD_DATA_DIR: folder, REDIS_URL: redisUrl } = service.env;
    const store = await openStore({ databaseUrl, artifactsDir: join(folder, 'artifacts'), connections: 2 });
    const queue = await openQueue({ databaseUrl, redisUrl: redisUrl || null });
    const claim = await startRun(store, queue, service.url);
    const url = `${service.url.replace('http', 'ws')}/v1/jobs/${claim.job_id}/stream?after=0`;
    const clients = fork(fileURLToPath(new URL('fanout-clients.mjs', import.meta.url)), [
      JSON.stringify({ url, subscribers }),
    ]);
    try {
      await once(clients, 'message');
      const done = once(clients, 'message');
      const memory = [];
      const before = processorSeconds(service.api.pid);
      const begin = performance.now();
      const events = Math.round(eventsPerSecond * Math.max(10, 2 * seconds));
      for (let step = 1; step <= events; step++) {
        const values = {
          loss: 3 / step,
          gradient_norm: 0.7,
          learning_rate: 0.002,
          tokens_per_second: 20_000,
        };
        const { head } = await store.events.append(claim, [
          { type: 'metric', step, attempt: claim.attempt, values },
        ]);
        void queue.announce({ job_id: claim.job_id, seq: head });
        if (step % eventsPerSecond === 0) memory.push(await memoryOf(service.api.pid));
        await delay(Math.max(0, begin + (1000 * step) / eventsPerSecond - performance.now()));
      }
      const took = (performance.now() - begin) / 1000;
      const after = processorSeconds(service.api.pid);
      const { head } = await store.jobs.finish(claim, { type: 'cancelled' });
      await queue.announce({ job_id: claim.job_id, seq: head });
      const [seen] = await done;
      return {
        subscribers,
        events_per_second: events / took,
        frames: seen.frames,
        // The status that ends the run is one more.
        complete: seen.faults === 0 && seen.frames === subscribers * (events + 1),
        median_lag_ms: seen.median_ms,
        p99_lag_ms: seen.p99_ms,
        longest_lag_ms: seen.longest_ms,
        api_processors: before && (after.process - before.process) / took,
        memory_first_mb: memory[0],
        memory_last_mb: memory.at(-1),
        memory_most_mb: memory[0] === null ? null : Math.max(...memory),
      };
    } finally {
      clients.kill('SIGKILL');
      await queue.close();
      await store.close();
    }
  },
  print: (result) =>
    table([
      [`of ${format.whole(result.subscribers)} sockets`, 'measured', ''],
      [
        'every event, in order',
        result.complete ? 'yes' : 'NO',
        `${format.whole(result.frames)} frames, ${result.events_per_second.toFixed(1)} events/s`,
      ],
      [
        'lag',
        `${result.p99_lag_ms} ms p99`,
        `median ${result.median_lag_ms}, longest ${result.longest_lag_ms} ms`,
      ],
      [
        "the API's memory",
        result.memory_last_mb === null ? '–' : `${result.memory_last_mb.toFixed(0)} MB at the end`,
        result.memory_first_mb === null
          ? ''
          : `${result.memory_first_mb.toFixed(0)} after a second, ${result.memory_most_mb.toFixed(0)} at most, ${result.api_processors.toFixed(2)} processors`,
      ],
    ]),
};
