import * as tf from '@tensorflow/tfjs-core';
import { EngineUnavailableError } from '../engine-unavailable-error.ts';
import { installedLibraries, packageOf, requirePackage, type TfjsFlavour } from './installed.ts';

export interface Loaded {
  readonly flavour: TfjsFlavour;
  readonly device: 'cpu' | 'gpu';
}

/** tfjs-node calls a function that Node 23 has removed (tensorflow/tfjs issue 8609). */
function restoreRemovedFunctions(): void {
  const util = requirePackage('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
}

async function loadLibrary(name: string): Promise<boolean> {
  // Errors alone: what TensorFlow says of the processor at its start would stand among the service's own lines.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  restoreRemovedFunctions();
  requirePackage(name);
  return tf.setBackend('tensorflow');
}

/** WebAssembly. Its loader makes every rejected promise of the whole process an exception, which is not its business. */
async function loadWasm(): Promise<void> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => process.rawListeners(event));
  await import('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.setBackend('wasm')))
    throw new EngineUnavailableError('The engine "tfjs" needs WebAssembly, which did not start here.');
  events.forEach((event, i) => {
    for (const listener of process.rawListeners(event))
      if (!before[i]!.includes(listener)) process.off(event, listener as () => void);
  });
}

async function loadBest(warn: (message: string) => void): Promise<Loaded> {
  // Else it says on the console that it could be faster.
  tf.enableProdMode();
  for (const flavour of installedLibraries()) {
    const name = packageOf(flavour);
    try {
      if (!(await loadLibrary(name))) throw new Error('its backend did not start');
      const { isUsingGpuDevice } = tf.backend() as { isUsingGpuDevice?: boolean };
      return { flavour, device: isUsingGpuDevice ? 'gpu' : 'cpu' };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      warn(`${name} is installed but does not work, so another TensorFlow.js computes instead: ${reason}`);
    }
  }
  await loadWasm();
  return { flavour: 'wasm', device: 'cpu' };
}

let loaded: Promise<Loaded> | null = null;

/** Starts TensorFlow.js, once in a process, with the best that is installed: TensorFlow with CUDA, TensorFlow, WebAssembly. */
export function loadTensorFlow(warn: (message: string) => void): Promise<Loaded> {
  loaded ??= loadBest(warn);
  return loaded;
}
