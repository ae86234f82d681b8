import type { Backend } from '../backend.ts';
import { openDevice } from './device.ts';
import { elementwiseKernels, fill } from './elementwise.ts';
import { createHeaps } from './heap.ts';
import { lossKernels } from './losses.ts';
import { optimizerKernels } from './optimizers.ts';
import type { WebgpuOptions } from './options.ts';
import { createProducts } from './product.ts';
import { productKernels } from './products.ts';
import type { KernelTime } from './profiler.ts';
import { createReadback } from './readback.ts';
import { createRecorder } from './recorder.ts';
import { recurrentBackward } from './recurrent-backward.ts';
import { recurrentForward, recurrentStep } from './recurrent-forward.ts';
import { createSaved } from './recurrent-pass.ts';
import { rowKernels } from './rows.ts';
import { scalarKernels } from './scalars.ts';
import { createScratch } from './scratch.ts';
import { blocksOf } from './sums.ts';
import { createTensors } from './tensors.ts';

export interface WebgpuBackend extends Backend {
  /** A driver that computes on this machine's processor: for tests. */
  readonly isSoftware: boolean;
  /** Device memory that this backend has taken. */
  readonly deviceBytes: number;
  /** What each kernel took since the last call; null without the option `profile`, and where the device has no clock for it. */
  profile(): Promise<KernelTime[] | null>;
}

/**
 * The engine for GPUs: kernels in WGSL, through the `webgpu` package. Calls are recorded and sent in batches; what goes wrong on the device (`DeviceLostError`,
 * `DeviceMemoryError`, `DeviceValidationError`) is thrown by the next `download` or `synchronize`. Throws a `WebgpuUnavailableError` where there is no GPU.
 */
export async function createWebgpu({
  recurrence = 'auto',
  memoryBytes,
  profile = false,
  subgroups = true,
  precision = 'float32',
  matrices = true,
}: WebgpuOptions = {}): Promise<WebgpuBackend> {
  const isHalf = precision === 'f16';
  const device = await openDevice(isHalf && matrices ? 'matrices' : 'plain');
  const heaps = createHeaps(device, { budget: memoryBytes });
  const hasSubgroups = subgroups && device.hasSubgroups;
  const recorder = createRecorder(device, heaps, { isProfiled: profile, hasSubgroups });
  const readback = createReadback(device, recorder);
  const tensors = createTensors({ heaps, recorder, readback, clear: (place) => fill(recorder, place, 0) });
  const scratch = createScratch(
    (size) => heaps.allocate(size).place,
    (place) => heaps.free(place),
  );
  const products = createProducts(recorder, scratch, precision, device.matrices);
  const workshop = { recorder, scratch, products, recurrence, precision };
  const ways = [...(hasSubgroups ? ['subgroups'] : []), ...(device.matrices ? ['matrices'] : [])];

  async function synchronize(): Promise<void> {
    recorder.flush();
    await device.gpu.queue.onSubmittedWorkDone();
    await device.check();
  }

  return {
    isSoftware: device.isSoftware,
    memory: {
      ...heaps.limits,
      // A plane of the gradient for each block of rows, and recurrent weights transposed.
      workspace: (rows, weights) => 4 * weights * (blocksOf(rows) + (isHalf ? 2 : 1)),
    },
    get deviceBytes() {
      return heaps.bytes;
    },
    describe: () => ({
      name: 'webgpu',
      engine: ['webgpu', device.name, ...ways, precision].join('-'),
      device: device.title,
      precision,
      emulated: false,
    }),
    createTensor: tensors.createTensor,
    createParameter: tensors.createParameter,
    like: tensors.like,
    createSaved: (layer, steps, sequences) =>
      tensors.keep(createSaved(tensors.door, tensors.allocate, layer, steps, sequences)),
    view: tensors.view,
    release: tensors.release,
    upload: tensors.upload,
    download: tensors.download,
    synchronize,
    async profile() {
      await synchronize();
      return recorder.profile();
    },
    close() {
      tensors.releaseAll();
      readback.close();
      recorder.close();
      heaps.close();
    },
    recurrentForward: (call) => recurrentForward(workshop, tensors, call),
    recurrentBackward: (call) => recurrentBackward(workshop, tensors, call),
    recurrentStep: (call) => recurrentStep(workshop, tensors, call),
    ...elementwiseKernels(recorder, tensors),
    ...lossKernels(recorder, scratch, tensors),
    ...optimizerKernels(recorder, tensors),
    ...productKernels(recorder, scratch, products, tensors),
    ...rowKernels(recorder, scratch, tensors),
    ...scalarKernels(recorder, scratch, tensors),
  };
}
