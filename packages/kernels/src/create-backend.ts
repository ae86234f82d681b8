import type { Backend } from './backend.ts';
import { NativeUnavailableError } from './native/addon.ts';
import { createNative, type NativeOptions } from './native/native-backend.ts';
import { createReference } from './reference/reference-backend.ts';
import type { WebgpuOptions } from './webgpu/options.ts';

/** Engines by name; `auto` is the fastest that works on this machine's processor. */
export type BackendName = 'auto' | 'native' | 'reference' | 'tfjs' | 'webgpu';

export interface BackendOptions extends Omit<NativeOptions, 'precision'>, Omit<WebgpuOptions, 'precision'> {
  /** Of products; no engine has all of them. Default float32. */
  readonly precision?: 'float32' | 'bf16' | 'f16' | undefined;
  /** Receives what there is to say about a missing or broken engine, once per process. Default: `process.emitWarning`. */
  readonly warn?: (message: string) => void;
}

type Precision = NonNullable<BackendOptions['precision']>;

/** The precision that is asked for. @throws RangeError if it is none of those that the engine has */
function precisionOf<Own extends Precision>(
  name: BackendName,
  { precision = 'float32' }: BackendOptions,
  own: readonly Own[],
): Own {
  const found = own.find((each) => each === precision);
  if (found) return found;
  throw new RangeError(
    `Expected ${own.map((each) => JSON.stringify(each)).join(' or ')} for the precision of the engine "${name}" but received ${JSON.stringify(precision)}.`,
  );
}

const ofProcessors = ['float32', 'bf16'] as const;

let warned = false;

function createFastest({ warn = process.emitWarning, ...options }: BackendOptions): Backend {
  const precision = precisionOf('auto', options, ofProcessors);
  try {
    return createNative({ ...options, precision });
  } catch (error) {
    if (!(error instanceof NativeUnavailableError)) throw error;
    if (!warned) warn(`${error.message} Until then the reference engine computes, much slower.`);
    warned = true;
    return createReference({ precision });
  }
}

/** Loaded only when it is asked for: TensorFlow.js is large. */
async function createTensorFlow(options: BackendOptions): Promise<Backend> {
  precisionOf('tfjs', options, ['float32']);
  const { createTfjs } = await import('./tfjs/tfjs-backend.ts');
  return createTfjs(options.warn);
}

/** Loaded only when it is asked for: the package behind it is optional, and opens drivers. */
async function createGpu(options: BackendOptions): Promise<Backend> {
  const precision = precisionOf('webgpu', options, ['float32', 'f16']);
  const { createWebgpu } = await import('./webgpu/webgpu-backend.ts');
  return createWebgpu({ ...options, precision });
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
      return createNative({ ...options, precision: precisionOf(name, options, ofProcessors) });
    case 'reference':
      return createReference({ precision: precisionOf(name, options, ofProcessors) });
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
