import type { Tensor, TensorType } from './backend.ts';

export type RealArray = Float32Array | Float64Array;
/**
 * What products are done in: float32 and float64 are also what elements are stored in; with bf16 every product rounds both operands to
 * bfloat16 (nearest, ties to even), while elements, sums and all other arithmetic stay in float32.
 */
export type Precision = 'float32' | 'float64' | 'bf16';

/** Memory of a tensor and of all its views. */
export interface Owner {
  released: boolean;
}

/** Where elements are within their owner's memory: an array, or a part of a device's memory. */
export interface Region {
  /** Elements. */
  readonly length: number;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** What the checks of a call ask of an engine: the contents of tensors, after their type, owner and shape (where given) have been checked; `label` names them in errors. */
export interface Door<Real extends Region = RealArray, Double = Float64Array> {
  reals(tensor: Tensor, label: string, shape?: readonly number[]): Real;
  ints(tensor: Tensor, label: string, shape?: readonly number[]): Int32Array;
  doubles(tensor: Tensor, label: string): Double;
}

/** A tensor of any engine, whose memory can be compared with another's. */
interface PlacedTensor extends Tensor {
  readonly owner: Owner;
  readonly array: Region;
}

/** A tensor as the engine that made it sees it: where its elements are, row-major or in its role's layout. */
export interface OwnTensor<Memory extends Region = Region> extends Tensor {
  readonly engine: unknown;
  readonly owner: Owner;
  readonly view: boolean;
  array: Memory;
}

/** A tensor of an engine that runs on this machine's processor. */
export type HostTensor = OwnTensor<RealArray | Int32Array>;

/** What all kernels of one such backend share: its precision, its scratch memory, and the checks at their door. */
export interface Engine extends Door {
  readonly precision: Precision;
  allocate(size: number): RealArray;
  /** At least `size` elements that nobody else uses under this name; contents are arbitrary. Grown, never shrunk. */
  scratch(name: string, size: number): RealArray;
  scratchDoubles(name: string, size: number): Float64Array;
  scratchInts(name: string, size: number): Int32Array;
  /** Forgets the scratch memory. */
  clear(): void;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** All dimensions but the last, as rows. */
export function rowsOf(tensor: Tensor): number {
  return sizeOf(tensor.shape.slice(0, -1));
}

/** The last dimension; 1 for a scalar. */
export function columnsOf(tensor: Tensor): number {
  return tensor.shape.at(-1) ?? 1;
}

export function expectShape(tensor: Tensor, label: string, shape: readonly number[]): void {
  if (tensor.shape.length !== shape.length || tensor.shape.some((dimension, i) => dimension !== shape[i]))
    throw new RangeError(
      `Expected the shape [${shape.join(', ')}] for ${label} but received [${tensor.shape.join(', ')}].`,
    );
}

export function expectNumber(value: number, label: string, valid: boolean, expected: string): void {
  if (!valid) throw new RangeError(`Expected ${expected} for ${label} but received ${value}.`);
}

/** Throws if `output` shares memory with one of `others`: a kernel would read what it has already overwritten. */
export function expectSeparate(
  output: Tensor | null,
  label: string,
  others: readonly (Tensor | null)[],
): void {
  if (output === null) return;
  const { owner, array: own } = output as PlacedTensor;
  const { byteOffset, byteLength } = own;
  for (const other of others) {
    // Memory belongs to one owner: only a tensor and its views can overlap.
    if (other === null || (other as PlacedTensor).owner !== owner) continue;
    const { array } = other as PlacedTensor;
    if (array.byteOffset < byteOffset + byteLength && byteOffset < array.byteOffset + array.byteLength)
      throw new RangeError(
        `Expected memory of its own for ${label}, but it overlaps another tensor of the call.`,
      );
  }
}

/** The tensor as its engine's own, after its engine, owner, type and shape (where given) have been checked. */
export function expectOwn<Memory extends Region>(
  engine: unknown,
  tensor: Tensor,
  label: string,
  type: TensorType = tensor.type,
  shape?: readonly number[],
): OwnTensor<Memory> {
  const own = tensor as OwnTensor<Memory>;
  if (own.engine !== engine) throw new TypeError(`Expected a tensor of this backend for ${label}.`);
  if (own.owner.released) throw new TypeError(`Expected a living tensor for ${label}, but it was released.`);
  if (own.type !== type) throw new TypeError(`Expected type ${type} for ${label} but received ${own.type}.`);
  if (shape !== undefined) expectShape(own, label, shape);
  return own;
}

export function createEngine(precision: Precision): Engine {
  const pools = {
    reals: new Map<string, RealArray>(),
    doubles: new Map<string, Float64Array>(),
    ints: new Map<string, Int32Array>(),
  };

  function allocate(size: number): RealArray {
    return precision === 'float64' ? new Float64Array(size) : new Float32Array(size);
  }

  function grown<A extends { length: number }>(
    pool: Map<string, A>,
    name: string,
    size: number,
    create: (size: number) => A,
  ): A {
    const present = pool.get(name);
    if (present !== undefined && present.length >= size) return present;
    const array = create(size);
    pool.set(name, array);
    return array;
  }

  const engine: Engine = {
    precision,
    allocate,
    reals: (tensor, label, shape) => expectOwn<RealArray>(engine, tensor, label, 'real', shape).array,
    ints: (tensor, label, shape) => expectOwn<Int32Array>(engine, tensor, label, 'int', shape).array,
    doubles: (tensor, label) => expectOwn<Float64Array>(engine, tensor, label, 'double', [1]).array,
    scratch: (name, size) => grown(pools.reals, name, size, allocate),
    scratchDoubles: (name, size) => grown(pools.doubles, name, size, (n) => new Float64Array(n)),
    scratchInts: (name, size) => grown(pools.ints, name, size, (n) => new Int32Array(n)),
    clear() {
      for (const pool of Object.values(pools)) pool.clear();
    },
  };
  return engine;
}
