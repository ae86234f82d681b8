import type { Backend } from './backend.ts';
import { createReference } from './reference/reference-backend.ts';

/** Engines by name; `auto` is the fastest that works on this machine. */
export type BackendName = 'auto' | 'reference';

/** Opens an engine. Throws a `RangeError` for a name that does not exist. */
export async function createBackend(name: BackendName): Promise<Backend> {
  switch (name) {
    case 'auto':
    case 'reference':
      return createReference();
    default:
      throw new RangeError(
        `Expected "auto" or "reference" for the engine but received ${JSON.stringify(name)}.`,
      );
  }
}
