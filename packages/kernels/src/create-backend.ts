import type { Backend } from './backend.ts';
import { NativeUnavailableError } from './native/addon.ts';
import { createNative, type NativeOptions } from './native/native-backend.ts';
import { createReference } from './reference/reference-backend.ts';
import type { WebgpuOptions } from './webgpu/options.ts';

/** Engines by name; `auto` is the fastest that works on this machine's processor. */
export type BackendName = 'auto' | 'native' | 'reference' | 'tfjs' | 'webgpu';

export interface BackendOptions extends NativeOptions, WebgpuOptions {
  /** Receives what there is to say about a missing or broken engine, once per process. Default: `process.emitWarning`. */
  readonly warn?: (message: string) => void;
}

let warned = false;

function createFastest({ warn = process.emitWarning, ...options }: BackendOptions): Backend {
  try {
    return createNative(options);
  } catch (error) {
    if (!(error instanceof NativeUnavailableError)) throw error;
    if (!warned) warn(`${error.message} Until then the reference engine computes, much slower.`);
    warned = true;
    return createReference({ precision: options.precision ?? 'float32' });
  }
}

function expectFloat32(name: BackendName, { precision = 'float32' }: BackendOptions): void {
  if (precision !== 'float32')
    throw new RangeError(
      `Expected "float32" for the precision of the engine "${name}" but received ${JSON.stringify(precision)}.`,
    );
}

/** Loaded only when it is asked for: TensorFlow.js is large. */
async function createTensorFlow(options: BackendOptions): Promise<Backend> {
  expectFloat32('tfjs', options);
  const { createTfjs } = await import('./tfjs/tfjs-backend.ts');
  return createTfjs(options.warn);
}

/** Loaded only when it is asked for: the package behind it is optional, and opens drivers. */
async function createGpu(options: BackendOptions): Promise<Backend> {
  expectFloat32('webgpu', options);
  const { createWebgpu } = await import('./webgpu/webgpu-backend.ts');
  return createWebgpu(options);
}

/**
 * Opens an engine. `native` throws a `NativeUnavailableError` where the addon was not built; `auto` then warns once and takes the
 * reference; `webgpu` throws a `WebgpuUnavailableError` where there is no GPU. Throws a `RangeError` for a name that does not exist, and for a
 * precision that the engine has not.
 */
export async function createBackend(name: BackendName, options: BackendOptions = {}): Promise<Backend> {
  switch (name) {
    case 'auto':
      return createFastest(options);
    case 'native':
      return createNative(options);
    case 'reference':
      return createReference({ precision: options.precision ?? 'float32' });
    case 'tfjs':
      return createTensorFlow(options);
    case 'webgpu':
      return createGpu(options);
    default:
      throw new RangeError(
        `Expected "auto", "native", "reference", "tfjs" or "webgpu" for the engine but received ${JSON.stringify(name)}.`,
      );
  }
}
