// Ends threads wherever they are in the native engine's calls, and says so if the process lives on.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { createNative } from '../../packages/kernels/dist/native/native-backend.js';

const rounds = 60;

function computeForEver() {
  const backend = createNative({ threads: 2 });
  const [a, b, output] = [0, 1, 2].map(() => backend.createTensor([6, 6]));
  parentPort.postMessage('computing');
  for (;;) {
    backend.release(backend.createTensor([6]));
    backend.matmul({ a, b, output });
  }
}

if (isMainThread) {
  for (let round = 0; round < rounds; round += 1) {
    const thread = new Worker(new URL(import.meta.url));
    await once(thread, 'message');
    await thread.terminate();
  }
  console.log(`${rounds} threads were ended.`);
} else computeForEver();
