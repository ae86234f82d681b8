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

/** The queue alone, on the store and with the options that the service uses. */
async function openBare(env) {
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
  return {
    queue,
    async close() {
      await queue.obliterate({ force: true });
      await queue.close();
      client?.disconnect();
    },
  };
}

/** Jobs a second that BullMQ alone takes from so many callers at once, each adding so many with a call. */
async function bareRate(env, { connections, together, seconds }) {
  const { queue, close } = await openBare(env);
  let added = 0;
  const begin = performance.now();
  const end = begin + 1000 * seconds;
  const caller = async (k) => {
    const job = (n) => ({
      name: 'train',
      data: { job_id: `job-${k}-${n}` },
      opts: { jobId: `job-${k}-${n}-1`, priority: 101 },
    });
    for (let n = 0; performance.now() < end; n += together) {
      const jobs = Array.from({ length: together }, (_, i) => job(n + i));
      const [{ name, data, opts }] = jobs;
      await (together === 1 ? queue.add(name, data, opts) : queue.addBulk(jobs));
      added += together;
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, k) => caller(k)));
  const rate = added / ((performance.now() - begin) / 1000);
  await close();
  return rate;
}

/** Jobs a second that the service takes, each request posting so many. */
async function postedRate(url, spec, { connections, together, seconds }) {
  const one = { path: '/v1/jobs', body: spec };
  const many = { path: '/v1/jobs/batch', body: { jobs: Array.from({ length: together }, () => spec) } };
  const request = { ...(together === 1 ? one : many), connections, seconds, status: 201 };
  return together * (await load(url, request)).perSecond;
}

/** Both, one and many at a time, in turns, so that what else the machine does meets all of them. */
async function measureSubmissions(url, env, { ways, seconds, rounds }) {
  const spec = specOf(await upload(url));
  const rates = ways.map((way) => ({ way: { ...way, seconds: seconds / rounds }, posted: [], bare: [] }));
  for (let round = 0; round < rounds; round++)
    for (const { way, posted, bare } of rates) {
      bare.push(await bareRate(env, way));
      posted.push(await postedRate(url, spec, way));
    }
  return rates.map(({ way: { connections, together }, posted, bare }) => ({
    connections,
    together,
    posted_per_second: Math.round(median(posted)),
    bare_per_second: Math.round(median(bare)),
    share_of_bare: median(posted) / median(bare),
  }));
}

const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];

async function measureOn(store, { url, env }, { jobs, ways, seconds }) {
  const waits = await measurePickUp(url, env, jobs);
  return {
    store,
    jobs,
    pick_up_ms: median(waits),
    pick_up_p95_ms: quantile(waits, 0.95),
    submissions: await measureSubmissions(url, env, { ways, seconds, rounds: 3 }),
  };
}

export const jobs = {
  name: 'jobs',
  help: 'from posting to running on an idle worker, and jobs posted a second, on PostgreSQL and on Redis',
  async measure(_, { seconds }) {
    const ways = [
      { connections: 16, together: 1 },
      { connections: 4, together: 100 },
    ];
    const settings = { jobs: 9, ways, seconds };
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
      ['of jobs', 'pick-up', 'p95', 'posted', 'of the bare queue', 'requests'],
      ...results.flatMap(({ store, pick_up_ms, pick_up_p95_ms, submissions }) =>
        submissions.map(({ connections, together, posted_per_second, bare_per_second, share_of_bare }, k) => [
          ...(k === 0
            ? [`on ${store}`, `${pick_up_ms.toFixed(0)} ms`, `${pick_up_p95_ms.toFixed(0)} ms`]
            : ['', '', '']),
          `${format.whole(posted_per_second)} /s`,
          `${format.share(share_of_bare)} of ${format.whole(bare_per_second)} /s`,
          `${together} in each, ${connections} at once`,
        ]),
      ),
    ]),
};
