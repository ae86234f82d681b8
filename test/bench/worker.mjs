// npm run bench:worker: the most memory that a whole worker process holds while it trains one job to its model. Needs Linux. See --help.
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { jobSpec } from '@unfold/contracts';
import { openQueue } from '@unfold/queue';
import { openStore, startEmbeddedPostgres } from '@unfold/store';
import { describeMachine, format } from './measure.mjs';
import { modelOf } from './model.mjs';
import { jsonOption, kinds, modelOptions, readOptions } from './options.mjs';
import { usualBatch } from './training.mjs';

const options = readOptions('bench:worker', 'Tells the memory of a worker process that trains one job.', {
  ...modelOptions,
  vocabulary: { kind: kinds.whole(26_000), default: 96, help: 'characters of the text' },
  batch: { kind: kinds.whole(4096), default: usualBatch.batch, help: 'sequences of a batch' },
  steps: { kind: kinds.whole(4096), default: usualBatch.steps, help: 'time steps of a training step' },
  updates: { kind: kinds.whole(1_000_000), default: 40, help: 'training steps of the job' },
  every: { kind: kinds.whole(1_000_000), default: 10, help: 'training steps between checkpoints' },
  trace: { kind: kinds.flag, help: 'print what it holds ten times a second' },
  ...jsonOption,
});
const model = modelOf(options);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Megabytes (10⁶) that a process holds now and held at most, and what of the former is no file's. */
async function memoryOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const of = (name) => (1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1])) / 1e6;
  return { now: of('VmRSS'), anonymous: of('RssAnon'), peak: of('VmHWM') };
}

/** Text in which every one of so many characters occurs. */
function textOf(vocabulary, length) {
  let state = 7;
  return Array.from({ length }, (_, k) => {
    state = (state * 48_271) % 2_147_483_647;
    return String.fromCharCode(0x4e00 + (k < vocabulary ? k : state % vocabulary));
  }).join('');
}

async function* chunksOf(text) {
  yield new TextEncoder().encode(text);
}

async function until(probe) {
  for (;;) {
    const found = await probe();
    if (found) return found;
    await delay(100);
  }
}

function startWorker(env) {
  const child = spawn(process.execPath, ['apps/worker/dist/main.js'], {
    cwd: root,
    // As `unfold up` and the image start it.
    env: { MALLOC_ARENA_MAX: '1', ...process.env, REDIS_URL: '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const ready = () => {
    if (child.exitCode !== null) throw new Error(`The worker ended early:\n${output}`);
    return output.includes('The worker is ready.');
  };
  return { child, ended, ready };
}

async function measure({ databaseUrl, dataDir }) {
  const store = await openStore({ databaseUrl, artifactsDir: join(dataDir, 'artifacts'), connections: 2 });
  const queue = await openQueue({ databaseUrl, redisUrl: null });
  const { child, ended, ready } = startWorker({ DATABASE_URL: databaseUrl, UNFOLD_DATA_DIR: dataDir });
  try {
    await until(ready);
    const idle = await memoryOf(child.pid);
    const text = textOf(options.vocabulary, 4 * options.batch * options.steps * options.every);
    const { resource } = await store.files.create('default', {
      filename: 'text.txt',
      purpose: 'training',
      upload: chunksOf(text),
      limit_bytes: 1e9,
    });
    const spec = jobSpec.parse({
      file: resource.id,
      model: { cell: model.cell, hidden_size: model.hidden, num_layers: model.layers },
      training: {
        epochs: 100_000,
        max_steps: options.updates,
        batch_size: options.batch,
        sequence_length: options.steps,
        checkpoint_every: options.every,
        evaluate_every: options.every,
        log_every: 1,
      },
    });
    const { resource: submitted, enqueue } = await store.jobs.create('default', spec);
    await queue.enqueue(enqueue);
    const seen = [];
    const job = await until(async () => {
      const found = await store.jobs.get('default', submitted.id);
      const memory = await memoryOf(child.pid);
      seen.push({ step: found.progress.step, ...memory });
      if (options.trace) {
        const { step, now, anonymous, peak } = seen.at(-1);
        const [a, b, c] = [now, anonymous, peak].map(Math.round);
        console.error(`step ${step}: ${a} MB, ${b} of them anonymous, at most ${c}`);
      }
      return ['succeeded', 'failed'].includes(found.status) && found;
    });
    if (job.status === 'failed') throw new Error(job.error.message);
    const after = await memoryOf(child.pid);
    const beforeSaving = seen.findLast(({ step }) => step < options.every);
    return { idle, training: beforeSaving?.peak, peak: after.peak, after: after.now, engine: job.engine };
  } finally {
    child.kill('SIGTERM');
    await ended;
    await queue.close();
    await store.close();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'unfold-bench-'));
// Root's server runs as another user, who must get in.
await chmod(folder, 0o755);
const server = await startEmbeddedPostgres({ dataDir: folder });
try {
  const { idle, training, peak, after, engine } = await measure({
    databaseUrl: server.databaseUrl,
    dataDir: folder,
  });
  const result = {
    benchmark: 'worker',
    ...model,
    batch: options.batch,
    steps: options.steps,
    engine,
    idle_memory_bytes: Math.round(idle.now * 1e6),
    training_memory_bytes: Math.round((training ?? idle.now) * 1e6),
    peak_memory_bytes: Math.round(peak * 1e6),
    memory_after_bytes: Math.round(after * 1e6),
    machine: describeMachine(),
  };
  if (options.json) console.log(JSON.stringify(result));
  else {
    const of = (bytes) => `${format.whole(bytes / 1e6)} MB`;
    console.log(
      `${model.cell} ${model.layers} × ${model.hidden}, V ${model.vocabulary}, N ${options.batch}, T ${options.steps} on ${engine}: idle ${of(result.idle_memory_bytes)}, ` +
        `training up to the first checkpoint ${of(result.training_memory_bytes)}, at most ${of(result.peak_memory_bytes)}, afterwards ${of(result.memory_after_bytes)}`,
    );
  }
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
