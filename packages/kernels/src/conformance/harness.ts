import type {
  Backend,
  NormStatistics,
  Parameter,
  ParameterRole,
  RecurrentLayer,
  RecurrentParameters,
  SavedActivations,
  Tensor,
} from '../backend.ts';
import { createRandomStream, randomPurposes } from '../philox.ts';

/** What was drawn before: every engine starts each case from the same numbers. */
const drawn = new Map<string, Float32Array>();

/** Repeatable values in (−1, 1) · `size`, exact in float32 so that every precision starts from the same numbers; named by a label. The caller's own. */
export function valuesOf(label: string, count: number, size = 1): Float32Array {
  const key = `${label} ${count} ${size}`;
  const before = drawn.get(key);
  if (before) return before.slice();
  let seed = 0;
  for (const letter of label) seed = (Math.imul(seed, 31) + letter.charCodeAt(0)) >>> 0;
  const stream = createRandomStream({ seed, purpose: randomPurposes.diagnostics });
  const values = Float32Array.from({ length: count }, () => (2 * stream.uniform() - 1) * size);
  drawn.set(key, values);
  return values.slice();
}

export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Which of a case's results hold a NaN. */
export function namesWithNaN(results: Readonly<Record<string, readonly number[]>>): string[] {
  return Object.keys(results).filter((name) => results[name]!.includes(Number.NaN));
}

/** A backend that notes what is made on it, and the way to give all of that back: what tests leave behind weighs on those that follow. */
export function releasable(backend: Backend): { backend: Backend; release(): void } {
  const made: (Tensor | SavedActivations)[] = [];
  const noted =
    <Args extends unknown[], T extends Tensor | SavedActivations>(create: (...args: Args) => T) =>
    (...args: Args): T => {
      const tensor = create(...args);
      made.push(tensor);
      return tensor;
    };
  return {
    backend: {
      ...backend,
      createTensor: noted(backend.createTensor),
      createParameter: noted(backend.createParameter),
      like: noted(backend.like) as Backend['like'],
      createSaved: noted(backend.createSaved),
    },
    release: () => backend.release(...made.splice(0)),
  };
}

/** What a case leaves behind, by name; null or absent: nothing. */
export type Outputs = Readonly<Record<string, Tensor | null | undefined>>;

type LayerUse = Exclude<Extract<ParameterRole, { layer: RecurrentLayer }>['use'], 'norm_statistics'>;

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

  /** The parameters that a layer's options call for. */
  recurrent(label: string, layer: RecurrentLayer, size = 0.7): RecurrentParameters {
    const make = (name: string, use: LayerUse) => this.parameter(`${label}.${name}`, { use, layer }, size);
    const isRecurrent = layer.recurrent !== false;
    const isNormalized = (layer.norm ?? 'none') !== 'none';
    return {
      weightIh: make('weightIh', 'weight_ih'),
      weightHh: isRecurrent ? make('weightHh', 'weight_hh') : null,
      biasIh: make('biasIh', 'recurrent_bias'),
      biasHh: isRecurrent ? make('biasHh', 'recurrent_bias') : null,
      ...(layer.peephole && { peephole: make('peephole', 'peephole') }),
      ...(isNormalized && { gainIh: make('gainIh', 'recurrent_gain') }),
      ...(isNormalized && isRecurrent && { gainHh: make('gainHh', 'recurrent_gain') }),
      ...(isNormalized &&
        layer.cell === 'lstm' && {
          gainCell: make('gainCell', 'cell_norm'),
          biasCell: make('biasCell', 'cell_norm'),
        }),
    };
  }

  /** Running statistics that have seen a few batches at every step but the last; null where the layer has none. */
  statistics(label: string, layer: RecurrentLayer): NormStatistics | null {
    if (layer.norm !== 'batch') return null;
    const role = { use: 'norm_statistics', layer, of: 'moments' } as const;
    const mean = this.parameter(`${label}.mean`, role, 0.3);
    const variance = this.parameter(`${label}.variance`, role, 0.3);
    const ones = this.backend.like(variance);
    this.backend.upload(ones, new Float32Array(countOf(ones.shape)).fill(1));
    this.backend.add({ source: ones, target: variance });
    const batches = this.backend.createParameter({ ...role, of: 'batches' });
    const steps = countOf(batches.shape);
    this.backend.upload(
      batches,
      Float32Array.from({ length: steps }, (_, t) => (t < steps - 1 || t === 0 ? 3 : 0)),
    );
    return { mean, variance, batches };
  }

  async read(tensors: Outputs): Promise<Record<string, number[]>> {
    const present = Object.entries(tensors).filter((entry): entry is [string, Tensor] => !!entry[1]);
    // All at once: a device answers several as quickly as one.
    const values = await Promise.all(present.map(([, tensor]) => this.backend.download(tensor)));
    return Object.fromEntries(present.map(([name], i) => [name, Array.from(values[i]!)]));
  }
}
