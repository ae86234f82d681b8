import type { JobSpec } from '@unfold/contracts';
import type { Backend, BackendOptions } from '@unfold/kernels';

/** What a backend for this spec is to be created with. */
export const precisionOf = (spec: JobSpec): NonNullable<BackendOptions['precision']> =>
  spec.training.precision === 'bf16' ? 'bf16' : 'float32';

/** A backend that rounds its products where the spec does not, or the other way round, would train another model than was asked for. */
export const expectPrecision = (spec: JobSpec, backend: Backend): void => {
  const { engine, precision } = backend.describe();
  if ((precisionOf(spec) === 'bf16') !== (precision === 'bf16'))
    throw new TypeError(
      `Expected a backend of precision ${precisionOf(spec)} for this spec but received ${engine}.`,
    );
};
