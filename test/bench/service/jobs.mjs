// How soon a posted job runs on an idle worker, and how many can be posted beside what the bare queue takes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createPostgresBackend, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { format, median, table } from '../measure.mjs';
import { load } from './http-load.mjs';
import { startRedis } from './redis.mjs';
import { guardProcess, startService } from './server.mjs';

const text = 'the cat sat on the mat, and the dog lay by the fog.\n'.repeat(40);

async function json(answer) {
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error.message);
  return body;
}

async function upload(url) {
  const form = new FormData();
  form.set('purpose', 'training');
  form.set('file', new Blob([text]), 'cats.txt');
  return (await json(await fetch(`${url}/v1/files`, { method: 'POST', body: form }))).id;
}

/** The smallest run there is. */
const specOf = (file) => ({
  file,
  model: { cell: 'gru', hidden_size: 4, num_layers: 1 },
  training: { max_steps: 1, batch_size: 2, sequence_length: 8, validation_fraction: 0 },
});

async function startWorker(env) {
  const child = spawn(process.execPath, ['apps/worker/dist/main.js'], {
    env: {
      MALLOC_ARENA_MAX: '1',
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      UNFOLD_ENGINE: 'reference',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close').then(guardProcess(child.pid));
  let output = '';
  await new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (more) => {
      output += more;
      if (output.includes('The worker is ready.')) resolve();
    });
    ended.then(() => reject(new Error(`The worker ended early:\n${output}`)));
  });
  return {
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Milliseconds from the posting of a job to its start, by the database's clock, one job after another. */
async function measurePickUp(url, env, jobs) {
  const worker = await startWorker(env);
  try {
    const spec = JSON.stringify(specOf(await upload(url)));
    const headers = { 'content-type': 'application/json' };
    const waits = [];
    for (let k = 0; k < jobs; k++) {
      let job = await json(await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: spec }));
      while (job.ended_at === null) job = await json(await fetch(`${url}/v1/jobs/${job.id}?wait=10`));
      if (job.status !== 'succeeded') throw new Error(`${job.id} ended as ${job.status}.`);
      waits.push(Date.parse(job.started_at) - Date.parse(job.created_at));
    }
    return waits;
  } finally {
    await worker.stop();
  }
}

/** Jobs a second that BullMQ alone takes from so many callers at once, on the store and with the options that the service uses. */
async function bareRate(env, { connections, seconds }) {
  const client = env.REDIS_URL ? new Redis(env.REDIS_URL, { maxRetriesPerRequest: null }) : null;
  const settings = { defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true } };
  const queue = client
    ? new Queue('bare', { ...settings, connection: client })
    : new Queue(
        'bare',
        {
          ...settings,
          connection: { connectionString: env.DATABASE_URL, schema: 'bullmq', migrate: true, max: 4 },
        },
        createPostgresBackend,
      );
  await queue.waitUntilReady();
  let added = 0;
  const begin = performance.now();
  const end = begin + 1000 * seconds;
  const caller = async (k) => {
    for (let n = 0; performance.now() < end; n++) {
      await queue.add('train', { job_id: `job-${k}-${n}` }, { jobId: `job-${k}-${n}-1`, priority: 101 });
      added += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, k) => caller(k)));
  const rate = added / ((performance.now() - begin) / 1000);
  await queue.obliterate({ force: true });
  await queue.close();
  client?.disconnect();
  return rate;
}

async function measureSubmissions(url, env, { connections, seconds, rounds }) {
  const body = specOf(await upload(url));
  const rates = { posted: [], bare: [] };
  for (let round = 0; round < rounds; round++) {
    rates.bare.push(await bareRate(env, { connections, seconds: seconds / rounds }));
    rates.posted.push(
      (
        await load(url, {
          path: '/v1/jobs',
          body: () => body,
          connections,
          seconds: seconds / rounds,
          status: 201,
        })
      ).perSecond,
    );
  }
  return { posted: median(rates.posted), bare: median(rates.bare) };
}

const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];

async function measureOn(store, { url, env }, { jobs, connections, seconds }) {
  const waits = await measurePickUp(url, env, jobs);
  const { posted, bare } = await measureSubmissions(url, env, { connections, seconds, rounds: 3 });
  return {
    store,
    jobs,
    pick_up_ms: median(waits),
    pick_up_p95_ms: quantile(waits, 0.95),
    connections,
    posted_per_second: Math.round(posted),
    bare_per_second: Math.round(bare),
    share_of_bare: posted / bare,
  };
}

export const jobs = {
  name: 'jobs',
  help: 'from posting to running on an idle worker, and jobs posted a second, on PostgreSQL and on Redis',
  async measure(_, { seconds }) {
    const settings = { jobs: 9, connections: 16, seconds };
    // A database each: what was posted stays queued, and would be run.
    const on = async (name, more) => {
      const own = await startService({
        UNFOLD_MAX_QUEUE_DEPTH: '10000000',
        UNFOLD_ENGINE: 'reference',
        ...more,
      });
      try {
        return await measureOn(name, own, settings);
      } finally {
        await own.stop();
      }
    };
    const redis = await startRedis();
    try {
      const results = redis === null ? [] : [await on('Redis', { REDIS_URL: redis.url })];
      results.push(await on('PostgreSQL', { REDIS_URL: '' }));
      return results;
    } finally {
      await redis?.stop();
    }
  },
  print: (results) =>
    table([
      ['of jobs', 'pick-up', 'p95', 'posted', 'of the bare queue'],
      ...results.map((each) => [
        `on ${each.store}`,
        `${each.pick_up_ms.toFixed(0)} ms`,
        `${each.pick_up_p95_ms.toFixed(0)} ms`,
        `${format.whole(each.posted_per_second)} /s`,
        `${(100 * each.share_of_bare).toFixed(0)} % of ${format.whole(each.bare_per_second)} /s`,
      ]),
    ]),
};
