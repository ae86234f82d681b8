// The service under test as processes of its own, as they run in production.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startEmbeddedPostgres } from '@unfold/store';

const root = fileURLToPath(new URL('../../..', import.meta.url));

let guard = null;

function tellGuard(line) {
  if (guard === null) {
    const script = fileURLToPath(new URL('guard.mjs', import.meta.url));
    // In a group of its own, so that it outlives what Ctrl-C ends.
    guard = spawn(process.execPath, [script], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
    guard.unref();
    guard.stdin.unref();
  }
  guard.stdin.write(`${JSON.stringify(line)}\n`);
}

/** Sees to it that a process does not outlive this one, even if this one is killed. To be called again once the process has ended. */
export const guardProcess = (pid, signal = 'SIGTERM') => {
  tellGuard({ pid, signal });
  return () => tellGuard({ pid, ended: true });
};

/** A port that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts `node <script>` and waits until its `/health` answers. What it logs is thrown away, not kept from being written. */
export async function startServer(script, env = {}) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [script], {
    cwd: root,
    env: { MALLOC_ARENA_MAX: '1', PATH: process.env.PATH, HOME: process.env.HOME, PORT: `${port}`, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'close').then(guardProcess(child.pid));
  for (let answer = null; !answer?.ok; answer = await fetch(`${url}/health`).catch(() => null)) {
    if (child.exitCode !== null) throw new Error(`${script} ended early.`);
    await delay(50);
  }
  return {
    url,
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** A database and one API process over it. More processes may be started in the same `env`. */
export async function startService(more = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'unfold-bench-'));
  // Root's server runs as another user, who must get in.
  await chmod(folder, 0o755);
  const database = await startEmbeddedPostgres({ dataDir: folder });
  tellGuard({ folder });
  // PostgreSQL's signal for a fast shutdown.
  const databaseEnded = guardProcess(database.pid, 'SIGINT');
  const env = {
    DATABASE_URL: database.databaseUrl,
    UNFOLD_DATA_DIR: folder,
    UNFOLD_MAX_REQUESTS_PER_MINUTE: '100000000',
    REDIS_URL: process.env.REDIS_URL ?? '',
    ...more,
  };
  const api = await startServer('apps/api/dist/main.js', env);
  return {
    url: api.url,
    api,
    env,
    async stop() {
      await api.stop();
      await database.stop();
      databaseEnded();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const ticksPerSecond = 100;

/** Seconds of processor time that a process has used, and its main thread alone; null where there is no /proc. */
export function processorSeconds(pid) {
  const of = (path) => {
    const fields = readFileSync(path, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  };
  try {
    return { process: of(`/proc/${pid}/stat`), main: of(`/proc/${pid}/task/${pid}/stat`) };
  } catch {
    return null;
  }
}

/** Uploads a weights file and makes a model of it; its id. */
export async function importModel(url, bytes) {
  const form = new FormData();
  form.set('purpose', 'model');
  form.set('file', new Blob([bytes]), 'weights.safetensors');
  const json = async (answer) => {
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error.message);
    return body;
  };
  const file = await json(await fetch(`${url}/v1/files`, { method: 'POST', body: form }));
  const request = { method: 'POST', headers: { 'content-type': 'application/json' } };
  const model = await json(
    await fetch(`${url}/v1/models`, { ...request, body: JSON.stringify({ file: file.id, name: 'bench' }) }),
  );
  return model.id;
}
