import type {
  Backend,
  Parameter,
  ParameterRole,
  SavedActivations,
  Tensor,
  TensorType,
  TensorValues,
} from '../backend.ts';
import { dropout } from './dropout.ts';
import { embeddingBackward, embeddingForward } from './embedding.ts';
import {
  createEngine,
  expectNumber,
  expectShape,
  type Precision,
  type ReferenceTensor,
  sizeOf,
} from './engine.ts';
import { pack, shapeOfRole, unpack } from './layout.ts';
import { logSoftmax, softmaxCrossEntropy } from './loss.ts';
import { denseBackward, denseForward, matmul } from './matmul.ts';
import { clipByNorm, clipByValue, countNonFinite, globalNorm } from './norm.ts';
import { adamStep, sgdStep } from './optimizer.ts';
import { recurrentForward, recurrentStep } from './recurrent.ts';
import { recurrentBackward } from './recurrent-backward.ts';
import { createSaved, type Saved } from './recurrent-layer.ts';

interface ReferenceParameter extends ReferenceTensor, Parameter {}

const nothing = new Float32Array(0);

/**
 * The reference: the Backend interface in plain TypeScript on one thread. Everything runs at the call. Elements are stored in
 * `precision` (float64 is for finite differences), every sum and every elementwise formula is computed in double and rounded when
 * it is stored, and only IEEE operations are used, so that its bits are the same on every machine.
 */
export function createReference({ precision = 'float32' }: { precision?: Precision } = {}): Backend {
  const engine = createEngine(precision);
  const living = new Set<ReferenceTensor | Saved>();

  function createTensor(shape: readonly number[], type: TensorType = 'real'): ReferenceTensor {
    for (const dimension of shape)
      expectNumber(
        dimension,
        'a dimension',
        Number.isSafeInteger(dimension) && dimension >= 0,
        'a whole number',
      );
    const size = sizeOf(shape);
    const array =
      type === 'real'
        ? engine.allocate(size)
        : type === 'int'
          ? new Int32Array(size)
          : new Float64Array(size);
    const tensor = { engine, type, shape: [...shape], owner: { released: false }, view: false, array };
    living.add(tensor);
    return tensor;
  }

  function createParameter(role: ParameterRole): ReferenceParameter {
    return Object.assign(createTensor(shapeOfRole(role)), { role });
  }

  function own(tensor: Tensor, label: string): ReferenceTensor {
    const candidate = tensor as ReferenceTensor;
    if (candidate.type === 'int') engine.ints(tensor, label);
    else if (candidate.type === 'double') contentsOfDouble(candidate, label);
    else engine.reals(tensor, label);
    return candidate;
  }

  function contentsOfDouble(tensor: ReferenceTensor, label: string): void {
    if (tensor.engine !== engine || tensor.owner.released)
      throw new TypeError(`Expected a living tensor of this backend for ${label}.`);
  }

  function roleOf(tensor: Tensor): ParameterRole | null {
    return 'role' in tensor ? (tensor as Parameter).role : null;
  }

  function view(tensor: Tensor, first: number, count: number): Tensor {
    const source = own(tensor, 'a view');
    if (roleOf(source)) throw new TypeError('Expected a plain tensor for a view but received a parameter.');
    const [leading, ...rest] = source.shape;
    if (leading === undefined || first < 0 || count < 0 || first + count > leading)
      throw new RangeError(
        `Expected entries within [${source.shape.join(', ')}] but received ${first} + ${count}.`,
      );
    const size = sizeOf(rest);
    const array = source.array.subarray(first * size, (first + count) * size);
    return { ...source, shape: [count, ...rest], view: true, array } as ReferenceTensor;
  }

  function release(...tensors: readonly (Tensor | SavedActivations)[]): void {
    for (const each of tensors) {
      if ('layer' in each) {
        const saved = each as Saved;
        saved.released = true;
        saved.pass = null;
        saved.gates = saved.cells = saved.first = nothing;
        living.delete(saved);
        continue;
      }
      const tensor = each as ReferenceTensor;
      if (tensor.view) throw new TypeError('Expected the owner of a view for release.');
      tensor.owner.released = true;
      tensor.array = nothing;
      living.delete(tensor);
    }
  }

  function upload(tensor: Tensor, values: TensorValues | readonly number[]): void {
    const { array, shape } = own(tensor, 'upload');
    if (values.length !== array.length)
      throw new RangeError(
        `Expected ${array.length} values for [${shape.join(', ')}] but received ${values.length}.`,
      );
    const role = roleOf(tensor);
    if (role) pack(role, values, array as Float32Array);
    else array.set(values);
  }

  async function download(tensor: Tensor): Promise<TensorValues> {
    const { array } = own(tensor, 'download');
    const role = roleOf(tensor);
    if (!role) return array.slice();
    const values = engine.allocate(array.length);
    unpack(role, array as Float32Array, values);
    return values;
  }

  function pair(source: Tensor, target: Tensor): [ReferenceTensor, ReferenceTensor] {
    const from = own(source, 'source');
    const to = own(target, 'target');
    expectShape(to, 'target', from.shape);
    if (from.type !== to.type)
      throw new TypeError(`Expected type ${from.type} for target but received ${to.type}.`);
    if (roleOf(from)?.use !== roleOf(to)?.use) throw new TypeError('Expected source and target of one role.');
    return [from, to];
  }

  const backend: Backend = {
    describe: () => ({ name: 'reference', engine: `reference-${precision}`, device: 'cpu', precision }),
    createTensor,
    createParameter,
    like: (parameter) => createParameter(parameter.role),
    createSaved(layer, steps, sequences) {
      const saved = createSaved(engine, layer, steps, sequences);
      living.add(saved);
      return saved;
    },
    view,
    release,
    upload,
    download,
    synchronize: async () => {},
    close() {
      release(...living);
      engine.clear();
    },
    matmul: (call) => matmul(engine, call),
    denseForward: (call) => denseForward(engine, call),
    denseBackward: (call) => denseBackward(engine, call),
    embeddingForward: (call) => embeddingForward(engine, call),
    embeddingBackward: (call) => embeddingBackward(engine, call),
    recurrentForward: (call) => recurrentForward(engine, call),
    recurrentBackward: (call) => recurrentBackward(engine, call),
    recurrentStep: (call) => recurrentStep(engine, call),
    softmaxCrossEntropy: (call) => softmaxCrossEntropy(engine, call),
    logSoftmax: (call) => logSoftmax(engine, call),
    dropout: (call) => dropout(engine, call),
    sgdStep: (call) => sgdStep(engine, call),
    adamStep: (call) => adamStep(engine, call),
    globalNorm: (call) => globalNorm(engine, call),
    clipByNorm: (call) => clipByNorm(engine, call),
    clipByValue: (call) => clipByValue(engine, call),
    countNonFinite: (call) => countNonFinite(engine, call),
    zero(...tensors) {
      for (const tensor of tensors) own(tensor, 'zero').array.fill(0);
    },
    copy({ source, target }) {
      const [from, to] = pair(source, target);
      to.array.set(from.array);
    },
    scale({ tensor, factor }) {
      const x = own(tensor, 'scale').array;
      for (let i = 0; i < x.length; i++) x[i] = x[i]! * factor;
    },
    add({ source, target, factor = 1 }) {
      const [from, to] = pair(source, target);
      const x = from.array;
      const y = to.array;
      for (let i = 0; i < y.length; i++) y[i] = y[i]! + factor * x[i]!;
    },
  };
  return backend;
}
