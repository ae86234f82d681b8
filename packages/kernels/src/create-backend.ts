import type { Backend } from './backend.ts';
import { NativeUnavailableError } from './native/addon.ts';
import { createNative, type NativeOptions } from './native/native-backend.ts';
import { createReference } from './reference/reference-backend.ts';

/** Engines by name; `auto` is the fastest that works on this machine. */
export type BackendName = 'auto' | 'native' | 'reference';

export interface BackendOptions extends NativeOptions {
  /** Receives what `auto` has to say about a missing engine, once per process. Default: `process.emitWarning`. */
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

/**
 * Opens an engine. `native` throws a `NativeUnavailableError` where the addon was not built; `auto` then warns once and takes the
 * reference. Throws a `RangeError` for a name that does not exist.
 */
export async function createBackend(name: BackendName, options: BackendOptions = {}): Promise<Backend> {
  switch (name) {
    case 'auto':
      return createFastest(options);
    case 'native':
      return createNative(options);
    case 'reference':
      return createReference({ precision: options.precision ?? 'float32' });
    default:
      throw new RangeError(
        `Expected "auto", "native" or "reference" for the engine but received ${JSON.stringify(name)}.`,
      );
  }
}
