import type {
  Parameter,
  ParameterRole,
  SavedActivations,
  Tensor,
  TensorType,
  TensorValues,
} from './backend.ts';
import type { Saved, SavedPass } from './checks/recurrent.ts';
import {
  expectNumber,
  expectOwn,
  expectShape,
  type OwnTensor,
  type RealArray,
  type Region,
  sizeOf,
} from './engine.ts';
import { shapeOfRole } from './roles.ts';

export type HostArray = RealArray | Int32Array | Float64Array;

/** Where an engine keeps its numbers. */
export interface Storage<Memory extends Region, S extends SavedPass<unknown>> {
  /** Zeros. */
  allocate(type: TensorType, count: number): Memory;
  free(memory: Memory): void;
  freeSaved(saved: S): void;
  /** Elements first … first + count − 1, in the same memory. */
  part(memory: Memory, first: number, count: number): Memory;
  /** Elements of a parameter of that role, with any padding. */
  packedSize(role: ParameterRole): number;
  /** Fills `memory` with `values` in PyTorch's layout, and back. The role is null for plain tensors. */
  write(memory: Memory, values: TensorValues | readonly number[], role: ParameterRole | null): void;
  read(memory: Memory, values: TensorValues, role: ParameterRole | null): void | Promise<void>;
  /** Memory of JavaScript's own for what is read. */
  hostArray(type: TensorType, size: number): TensorValues;
}

/** Where an engine that runs on this machine's processor keeps its numbers, and in which layout. */
export interface HostStorage {
  readonly real: new (size: number) => RealArray;
  /** `count` zeros. */
  allocate(type: TensorType, count: number): HostArray;
  free(array: HostArray): void;
  packedSize(role: ParameterRole): number;
  /** `values` in PyTorch's layout → `packed` in the engine's, and back. */
  pack(role: ParameterRole, values: TensorValues | readonly number[], packed: RealArray): void;
  unpack(role: ParameterRole, packed: RealArray, values: RealArray): void;
}

export function hostArray(type: TensorType, size: number, real: HostStorage['real']): HostArray {
  if (type === 'int') return new Int32Array(size);
  return type === 'double' ? new Float64Array(size) : new real(size);
}

/** Typed arrays as memory. */
export function hostStorage({
  real,
  allocate,
  free,
  packedSize,
  pack,
  unpack,
}: HostStorage): Storage<RealArray | Int32Array, Saved> {
  const nothing = new real(0);
  return {
    allocate,
    free,
    freeSaved(saved) {
      for (const array of [saved.gates, saved.cells, saved.first, saved.normalized, saved.inverses])
        free(array);
      saved.gates = saved.cells = saved.first = saved.normalized = saved.inverses = nothing;
    },
    part: (array, first, count) => array.subarray(first, first + count),
    packedSize,
    write(array, values, role) {
      if (role) pack(role, values, array as RealArray);
      else array.set(values);
    },
    read(array, values, role) {
      if (role) unpack(role, array as RealArray, values as RealArray);
      else values.set(array);
    },
    hostArray: (type, size) => hostArray(type, size, real),
  };
}

function roleOf(tensor: Tensor): ParameterRole | null {
  return 'role' in tensor ? (tensor as Parameter).role : null;
}

/** The part of a `Backend` that makes, fills, reads and frees tensors. `engine` is what its checks know its own by. */
export function createTensors<Memory extends Region, S extends SavedPass<unknown>>(
  engine: unknown,
  storage: Storage<Memory, S>,
) {
  type Own = OwnTensor<Memory>;
  const living = new Set<Own | S>();

  function create(shape: readonly number[], type: TensorType, size: number): Own {
    const array = storage.allocate(type, size);
    const tensor = { engine, type, shape: [...shape], owner: { released: false }, view: false, array };
    living.add(tensor);
    return tensor;
  }

  function createTensor(shape: readonly number[], type: TensorType = 'real'): Own {
    for (const dimension of shape)
      expectNumber(
        dimension,
        'a dimension',
        Number.isSafeInteger(dimension) && dimension >= 0,
        'a whole number',
      );
    return create(shape, type, sizeOf(shape));
  }

  function createParameter(role: ParameterRole): Own & Parameter {
    return Object.assign(create(shapeOfRole(role), 'real', storage.packedSize(role)), { role });
  }

  /** Remembers activations, so that they end with the backend. */
  function keep(saved: S): S {
    living.add(saved);
    return saved;
  }

  const own = (tensor: Tensor, label: string): Own => expectOwn(engine, tensor, label);

  function view(tensor: Tensor, first: number, count: number): Tensor {
    const source = own(tensor, 'a view');
    if (roleOf(source)) throw new TypeError('Expected a plain tensor for a view but received a parameter.');
    const [leading, ...rest] = source.shape;
    if (leading === undefined || !(first >= 0 && count >= 0 && first + count <= leading))
      throw new RangeError(
        `Expected entries within [${source.shape.join(', ')}] but received ${first} + ${count}.`,
      );
    const size = sizeOf(rest);
    const array = storage.part(source.array, first * size, count * size);
    const part: Own = { ...source, shape: [count, ...rest], view: true, array };
    return part;
  }

  function release(...tensors: readonly (Tensor | SavedActivations)[]): void {
    for (const each of tensors) {
      if ('layer' in each) {
        const saved = each as S;
        if (saved.released) continue;
        saved.released = true;
        saved.pass = null;
        storage.freeSaved(saved);
        living.delete(saved);
        continue;
      }
      const tensor = each as Own;
      if (tensor.view) throw new TypeError('Expected the owner of a view for release.');
      if (tensor.owner.released) continue;
      tensor.owner.released = true;
      storage.free(tensor.array);
      tensor.array = storage.allocate(tensor.type, 0);
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
    storage.write(array, values, roleOf(tensor));
  }

  async function download(tensor: Tensor, target?: TensorValues): Promise<TensorValues> {
    const { array, shape, type } = own(tensor, 'download');
    const size = sizeOf(shape);
    const values = target ?? storage.hostArray(type, size);
    const expected = storage.hostArray(type, 0).constructor;
    if (values.constructor !== expected || values.length !== size)
      throw new RangeError(
        `Expected a ${expected.name} of ${size} values to download into but received a ${values.constructor.name} of ${values.length}.`,
      );
    await storage.read(array, values, roleOf(tensor));
    return values;
  }

  function pair(source: Tensor, target: Tensor): [Own, Own] {
    const from = own(source, 'source');
    const to = own(target, 'target');
    expectShape(to, 'target', from.shape);
    if (from.type !== to.type)
      throw new TypeError(`Expected type ${from.type} for target but received ${to.type}.`);
    const roles = [roleOf(from), roleOf(to)];
    if (roles[0] !== roles[1] && JSON.stringify(roles[0]) !== JSON.stringify(roles[1]))
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

/** Tensors of an engine that runs on this machine's processor. */
export type HostTensors = ReturnType<typeof createTensors<RealArray | Int32Array, Saved>>;
