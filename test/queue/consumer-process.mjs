// A consumer in a process of its own, for tests that kill or freeze it. It holds each delivery until it is told
// "finish" on stdin, and reports what happens to it, one JSON object a line.
import { createInterface } from 'node:readline';
import { openQueue } from '@unfold/queue';

const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const queue = await openQueue({
  redisUrl: process.env.UNFOLD_TEST_REDIS_URL || null,
  databaseUrl: process.env.UNFOLD_TEST_DATABASE_URL,
  log: (level, message, error) => report({ event: 'log', level, message, error: String(error) }),
});

let finish = () => {};
const consumer = await queue.consume('cpu', async ({ job_id, enqueue_count }, { signal }) => {
  report({ event: 'delivered', job_id, enqueue_count });
  signal.addEventListener('abort', () => report({ event: 'aborted', job_id }));
  await new Promise((resolve) => {
    finish = resolve;
  });
  report({ event: 'finished', job_id });
});
report({ event: 'ready' });

const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  if (line === 'finish') finish();
  if (line !== 'close') return;
  await consumer.close();
  await queue.close();
  // Nothing ends this process from here on but that nothing is left to wait for.
  lines.close();
  process.stdin.destroy();
});
