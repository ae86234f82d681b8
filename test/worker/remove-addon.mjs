// Loads the native engine, removes its file, and asks for the engine in a new thread.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';
import { createBackend, createNative } from '@unfold/kernels';

if (isMainThread) {
  createNative({ threads: 1 }).close();
  rmSync(process.env.UNFOLD_TEST_NATIVE_ADDON);
  const [status] = await once(new Worker(new URL(import.meta.url)), 'exit');
  process.exitCode = status;
} else {
  const backend = await createBackend('auto', { threads: 1 });
  console.log(`The thread computes with ${backend.describe().name}.`);
  backend.close();
}
