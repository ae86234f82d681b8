import { cpus, totalmem } from 'node:os';
import type { DeviceClass, EngineName } from '@unfold/contracts';
import { type BackendName, createBackend, tfjsFlavour } from '@unfold/rnn/engines';

/** What this process computes on, as it tells others. */
export interface OwnDevice {
  device: DeviceClass;
  /** What the machine calls it. */
  description: string;
  memory_bytes: number | null;
  /** What jobs may ask for here; the first is what `auto` takes. */
  engines: EngineName[];
  /** On which class of device TensorFlow.js computes here. It is not loaded to find out. */
  tfjs: DeviceClass;
}

/** The engine that a name stands for on this machine. @throws what `createBackend` throws where it is not there */
const engineNamed = async (name: BackendName, warn: (message: string) => void): Promise<EngineName> => {
  const backend = await createBackend(name, { threads: 1, warn });
  backend.close();
  return backend.describe().name as EngineName;
};

/** The engine and the name of this machine's GPU. @throws what `createBackend` throws where there is none */
const findGpu = async (): Promise<Pick<OwnDevice, 'description' | 'memory_bytes' | 'engines'>> => {
  const backend = await createBackend('webgpu');
  backend.close();
  // WebGPU tells nobody how much memory there is.
  return { description: backend.describe().device, memory_bytes: null, engines: ['webgpu'] };
};

const processorMemory = (): number => {
  const limit = process.constrainedMemory();
  // 0, or more than there is: nothing limits this process.
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
};

/**
 * Finds out what there is, by trying.
 * @param wanted the engine for jobs that name none, where there is no GPU, and the kind of device to own
 * @throws if it is not there
 */
export const findOwnDevice = async (
  { engine, device }: { engine: BackendName; device: DeviceClass },
  warn: (message: string) => void,
): Promise<OwnDevice> => {
  const first = await engineNamed(engine, warn);
  const native = await engineNamed('native', warn).catch(() => null);
  const engines = new Set<EngineName>([first, ...(native === null ? [] : [native]), 'reference', 'tfjs']);
  const tfjs: DeviceClass = tfjsFlavour() === 'node-gpu' ? 'gpu' : 'cpu';
  if (device === 'gpu') {
    const gpu = await findGpu();
    return { device, ...gpu, engines: [...gpu.engines, ...engines], tfjs };
  }
  const [processor] = cpus();
  return {
    device,
    description: processor?.model.trim() || process.arch,
    memory_bytes: processorMemory(),
    engines: [...engines],
    tfjs,
  };
};
