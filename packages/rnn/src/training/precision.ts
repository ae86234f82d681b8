import type { JobSpec } from '@unfold/contracts';
import type { Backend, BackendOptions } from '@unfold/kernels';

/** What a backend for this spec is to be created with. */
export const precisionOf = ({
  training: { precision },
}: JobSpec): NonNullable<BackendOptions['precision']> => (precision === 'fp32' ? 'float32' : precision);

/** A backend that rounds its products where the spec does not, or the other way round, would train another model than was asked for. */
export const expectPrecision = (spec: JobSpec, backend: Backend): void => {
  const { engine, precision } = backend.describe();
  // A backend in double precision trains what is asked for in single, and more exactly.
  const wanted = precision === 'float64' ? 'float32' : precision;
  if (precisionOf(spec) !== wanted)
    throw new TypeError(
      `Expected a backend of precision ${precisionOf(spec)} for this spec but received ${engine}.`,
    );
};
