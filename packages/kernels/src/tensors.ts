import type {
  Parameter,
  ParameterRole,
  SavedActivations,
  Tensor,
  TensorType,
  TensorValues,
} from './backend.ts';
import type { Saved } from './checks/recurrent.ts';
import { type Engine, expectNumber, expectShape, type HostTensor, type RealArray, sizeOf } from './engine.ts';
import { shapeOfRole } from './roles.ts';

export type HostArray = RealArray | Int32Array | Float64Array;

/** Where an engine that runs on this machine's processor keeps its numbers, and in which layout. */
export interface Storage {
  /** `count` zeros. */
  allocate(type: TensorType, count: number): HostArray;
  free(array: HostArray): void;
  /** Elements of a parameter of that role, with any padding. */
  packedSize(role: ParameterRole): number;
  /** `values` in PyTorch's layout → `packed` in the engine's, and back. */
  pack(role: ParameterRole, values: TensorValues | readonly number[], packed: RealArray): void;
  unpack(role: ParameterRole, packed: RealArray, values: RealArray): void;
}

interface HostParameter extends HostTensor, Parameter {}

function roleOf(tensor: Tensor): ParameterRole | null {
  return 'role' in tensor ? (tensor as Parameter).role : null;
}

/** The part of a `Backend` that makes, fills, reads and frees tensors. */
export function createTensors(engine: Engine, storage: Storage) {
  const living = new Set<HostTensor | Saved>();
  const nothing = engine.allocate(0);

  function create(shape: readonly number[], type: TensorType, size: number): HostTensor {
    const array = storage.allocate(type, size);
    const tensor = { engine, type, shape: [...shape], owner: { released: false }, view: false, array };
    living.add(tensor);
    return tensor;
  }

  function createTensor(shape: readonly number[], type: TensorType = 'real'): HostTensor {
    for (const dimension of shape)
      expectNumber(
        dimension,
        'a dimension',
        Number.isSafeInteger(dimension) && dimension >= 0,
        'a whole number',
      );
    return create(shape, type, sizeOf(shape));
  }

  function createParameter(role: ParameterRole): HostParameter {
    return Object.assign(create(shapeOfRole(role), 'real', storage.packedSize(role)), { role });
  }

  /** Remembers activations, so that they end with the backend. */
  function keep(saved: Saved): Saved {
    living.add(saved);
    return saved;
  }

  function own(tensor: Tensor, label: string): HostTensor {
    const candidate = tensor as HostTensor;
    if (candidate.type === 'int') engine.ints(tensor, label);
    else if (candidate.type === 'double') expectLivingDouble(candidate, label);
    else engine.reals(tensor, label);
    return candidate;
  }

  function expectLivingDouble(tensor: HostTensor, label: string): void {
    if (tensor.engine !== engine || tensor.owner.released)
      throw new TypeError(`Expected a living tensor of this backend for ${label}.`);
  }

  function view(tensor: Tensor, first: number, count: number): Tensor {
    const source = own(tensor, 'a view');
    if (roleOf(source)) throw new TypeError('Expected a plain tensor for a view but received a parameter.');
    const [leading, ...rest] = source.shape;
    if (leading === undefined || !(first >= 0 && count >= 0 && first + count <= leading))
      throw new RangeError(
        `Expected entries within [${source.shape.join(', ')}] but received ${first} + ${count}.`,
      );
    const size = sizeOf(rest);
    const array = source.array.subarray(first * size, (first + count) * size);
    return { ...source, shape: [count, ...rest], view: true, array } as HostTensor;
  }

  function release(...tensors: readonly (Tensor | SavedActivations)[]): void {
    for (const each of tensors) {
      if ('layer' in each) {
        const saved = each as Saved;
        if (saved.released) continue;
        saved.released = true;
        saved.pass = null;
        for (const array of [saved.gates, saved.cells, saved.first, saved.normalized, saved.inverses])
          storage.free(array);
        saved.gates = saved.cells = saved.first = saved.normalized = saved.inverses = nothing;
        living.delete(saved);
        continue;
      }
      const tensor = each as HostTensor;
      if (tensor.view) throw new TypeError('Expected the owner of a view for release.');
      if (tensor.owner.released) continue;
      tensor.owner.released = true;
      storage.free(tensor.array);
      tensor.array = nothing;
      living.delete(tensor);
    }
  }

  function upload(tensor: Tensor, values: TensorValues | readonly number[]): void {
    const { array, shape } = own(tensor, 'upload');
    const size = sizeOf(shape);
    if (values.length !== size)
      throw new RangeError(
        `Expected ${size} values for [${shape.join(', ')}] but received ${values.length}.`,
      );
    const role = roleOf(tensor);
    if (role) storage.pack(role, values, array as RealArray);
    else array.set(values);
  }

  /** Memory of JavaScript's own, which outlives the tensor. */
  function hostArray(type: TensorType, size: number): HostArray {
    if (type === 'int') return new Int32Array(size);
    return type === 'double' ? new Float64Array(size) : engine.allocate(size);
  }

  async function download(tensor: Tensor, target?: TensorValues): Promise<TensorValues> {
    const { array, shape, type } = own(tensor, 'download');
    const size = sizeOf(shape);
    if (target && (target.constructor !== array.constructor || target.length !== size))
      throw new RangeError(
        `Expected a ${array.constructor.name} of ${size} values to download into but received a ${target.constructor.name} of ${target.length}.`,
      );
    const values = target ?? hostArray(type, size);
    const role = roleOf(tensor);
    if (role) storage.unpack(role, array as RealArray, values as RealArray);
    else values.set(array);
    return values;
  }

  function pair(source: Tensor, target: Tensor): [HostTensor, HostTensor] {
    const from = own(source, 'source');
    const to = own(target, 'target');
    expectShape(to, 'target', from.shape);
    if (from.type !== to.type)
      throw new TypeError(`Expected type ${from.type} for target but received ${to.type}.`);
    if (JSON.stringify(roleOf(from)) !== JSON.stringify(roleOf(to)))
      throw new TypeError('Expected source and target of one role.');
    return [from, to];
  }

  return {
    createTensor,
    createParameter,
    like: (parameter: Parameter) => createParameter(parameter.role),
    keep,
    own,
    pair,
    view,
    release,
    upload,
    download,
    releaseAll: () => release(...living),
  };
}
