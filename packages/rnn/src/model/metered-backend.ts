import type { Backend, Parameter, Tensor } from '@unfold/kernels';

/** A backend of which one model makes its tensors, and the memory that they take. */
export interface MeteredBackend {
  readonly backend: Backend;
  /** Of tensors that were made and not released; parameters as if they were not packed. */
  readonly bytes: number;
}

export const meterBackend = (backend: Backend): MeteredBackend => {
  const made = new Map<unknown, number>();
  const real = backend.describe().precision === 'float64' ? 8 : 4;
  const bytesOf = { real, int: 4, double: 8 };
  let bytes = 0;
  const count = <T extends Tensor | Parameter>(tensor: T): T => {
    const size = tensor.shape.reduce((product, dimension) => product * dimension, bytesOf[tensor.type]);
    made.set(tensor, size);
    bytes += size;
    return tensor;
  };
  return {
    get bytes() {
      return bytes;
    },
    backend: {
      ...backend,
      createTensor: (shape, type) => count(backend.createTensor(shape, type)),
      createParameter: (role) => count(backend.createParameter(role)),
      like: (parameter) => count(backend.like(parameter)),
      release(...tensors) {
        backend.release(...tensors);
        for (const tensor of tensors) {
          bytes -= made.get(tensor) ?? 0;
          made.delete(tensor);
        }
      },
    },
  };
};
