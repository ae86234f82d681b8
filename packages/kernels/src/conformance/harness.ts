import type {
  Backend,
  Parameter,
  ParameterRole,
  RecurrentLayer,
  RecurrentParameters,
  Tensor,
} from '../backend.ts';
import { createRandomStream, randomPurposes } from '../philox.ts';

/** Repeatable values in (−1, 1) · `size`, exact in float32 so that every precision starts from the same numbers; named by a label. */
export function valuesOf(label: string, count: number, size = 1): Float32Array {
  let seed = 0;
  for (const letter of label) seed = (Math.imul(seed, 31) + letter.charCodeAt(0)) >>> 0;
  const stream = createRandomStream({ seed, purpose: randomPurposes.diagnostics });
  return Float32Array.from({ length: count }, () => (2 * stream.uniform() - 1) * size);
}

export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Makes a case's tensors on one backend. Inputs are filled by label; the one called `poison` gets a NaN as its first element. */
export class Harness {
  readonly backend: Backend;
  readonly poison: string | null;
  /** Labels of the real inputs made so far. */
  readonly labels: string[] = [];

  constructor(backend: Backend, poison: string | null = null) {
    this.backend = backend;
    this.poison = poison;
  }

  private fill<T extends Tensor>(tensor: T, label: string, size: number): T {
    const values = valuesOf(label, countOf(tensor.shape), size);
    if (label === this.poison) values[0] = Number.NaN;
    this.labels.push(label);
    this.backend.upload(tensor, values);
    return tensor;
  }

  real(label: string, shape: readonly number[], size = 1): Tensor {
    return this.fill(this.backend.createTensor(shape), label, size);
  }

  parameter(label: string, role: ParameterRole, size = 1): Parameter {
    return this.fill(this.backend.createParameter(role), label, size);
  }

  /** Ids below `bound`, the first one 0. */
  tokens(label: string, shape: readonly number[], bound: number): Tensor {
    const tensor = this.backend.createTensor(shape, 'int');
    const ids = valuesOf(label, countOf(shape)).map((value, i) =>
      i === 0 ? 0 : Math.floor(((value + 1) / 2) * bound),
    );
    this.backend.upload(tensor, Int32Array.from(ids));
    return tensor;
  }

  integers(values: readonly number[]): Tensor {
    const tensor = this.backend.createTensor([values.length], 'int');
    this.backend.upload(tensor, values);
    return tensor;
  }

  empty(shape: readonly number[]): Tensor {
    return this.backend.createTensor(shape);
  }

  scalar(): Tensor {
    return this.backend.createTensor([1], 'double');
  }

  recurrent(label: string, layer: RecurrentLayer, size = 0.7): RecurrentParameters {
    return {
      weightIh: this.parameter(`${label}.weightIh`, { use: 'weight_ih', layer }, size),
      weightHh: this.parameter(`${label}.weightHh`, { use: 'weight_hh', layer }, size),
      biasIh: this.parameter(`${label}.biasIh`, { use: 'recurrent_bias', layer }, size),
      biasHh: this.parameter(`${label}.biasHh`, { use: 'recurrent_bias', layer }, size),
    };
  }

  async read(tensors: Readonly<Record<string, Tensor>>): Promise<Record<string, number[]>> {
    const entries = Object.entries(tensors).map(async ([name, tensor]) => [
      name,
      Array.from(await this.backend.download(tensor)),
    ]);
    return Object.fromEntries(await Promise.all(entries));
  }
}
