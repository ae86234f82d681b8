// A Redis of the benchmark's own, if the machine has one.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { freePort, guardProcess } from './server.mjs';

export const redisInstalled = spawnSync('redis-server', ['--version']).status === 0;

/** Starts a Redis that keeps nothing; null where none is installed. */
export async function startRedis() {
  if (!redisInstalled) return null;
  const port = await freePort();
  const child = spawn(
    'redis-server',
    ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--maxmemory-policy', 'noeviction'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(child, 'close').then(guardProcess(child.pid));
  await new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text) => text.includes('Ready to accept') && resolve());
    ended.then(() => reject(new Error('redis-server ended early.')));
  });
  return {
    url: `redis://127.0.0.1:${port}/0`,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
