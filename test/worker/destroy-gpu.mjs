// Imported by a worker before anything else: takes the GPU of its training threads away once the file of UNFOLD_TEST_LOSE_GPU is there.
import { existsSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { globals } from 'webgpu';

const file = process.env.UNFOLD_TEST_LOSE_GPU;
const adapter = globals.GPUAdapter.prototype;
const { requestDevice } = adapter;

if (!isMainThread)
  adapter.requestDevice = async function request(...options) {
    const device = await requestDevice.apply(this, options);
    const timer = setInterval(() => {
      if (!existsSync(file)) return;
      clearInterval(timer);
      device.destroy();
    }, 10);
    timer.unref();
    return device;
  };
