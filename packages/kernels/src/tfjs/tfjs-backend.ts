import * as tf from '@tensorflow/tfjs-core';
import type { Backend } from '../backend.ts';
import { expectOwn, sizeOf } from '../engine.ts';
import { pack, unpack } from '../reference/layout.ts';
import { shapeOfRole } from '../roles.ts';
import { createTensors, hostArray, type Storage } from '../tensors.ts';
import type { TfDoor } from './context.ts';
import { type Loaded, loadTensorFlow } from './load.ts';
import {
  bernoulliCrossEntropy,
  logSoftmax,
  softmax,
  softmaxBackward,
  softmaxCrossEntropy,
  squaredError,
} from './losses.ts';
import { clipByNorm, clipByValue, countNonFinite, globalNorm } from './norms.ts';
import { adagradStep, adamStep, rmspropStep, sgdStep } from './optimizers.ts';
import { add, createPlace, freePlace, type Place, partOf, read, write } from './places.ts';
import { denseBackward, denseForward, embeddingBackward, embeddingForward, matmul } from './products.ts';
import { recurrentBackward } from './recurrent-backward.ts';
import { recurrentForward, recurrentStep } from './recurrent-forward.ts';
import { createSaved, freeSaved, type TfSaved } from './recurrent-pass.ts';
import {
  concatenate,
  dropout,
  gatherRows,
  scaleRows,
  scatterAddRows,
  split,
  tanh,
  tanhBackward,
} from './rows.ts';

/** Integers and doubles are the host's, see `TfDoor`. */
type Memory = Place | Int32Array | Float64Array;

const isPlace = (memory: Memory): memory is Place => 'memory' in memory;

const storage: Storage<Memory, TfSaved> = {
  allocate(type, count) {
    if (type === 'real') return createPlace(count);
    return type === 'int' ? new Int32Array(count) : new Float64Array(count);
  },
  free(memory) {
    if (isPlace(memory)) freePlace(memory);
  },
  freeSaved,
  part: (memory, first, count) =>
    isPlace(memory) ? partOf(memory, first, count) : memory.subarray(first, first + count),
  packedSize: (role) => sizeOf(shapeOfRole(role)),
  write(memory, values, role) {
    if (!isPlace(memory)) {
      memory.set(values);
      return;
    }
    // A copy: TensorFlow.js may keep the array that it is given.
    const packed = new Float32Array(memory.length);
    if (role) pack(role, values, packed);
    else packed.set(values);
    tf.tidy(() => write(memory, tf.tensor1d(packed)));
  },
  async read(memory, values, role) {
    if (!isPlace(memory)) {
      values.set(memory);
      return;
    }
    const tensor = read(memory, [memory.length]);
    const elements = await tensor.data<'float32'>();
    tensor.dispose();
    if (role) unpack(role, elements, values as Float32Array);
    else values.set(elements);
  },
  hostArray: (type, size) => hostArray(type, size, Float32Array),
};

function createDoor(): TfDoor {
  const door: TfDoor = {
    reals: (tensor, label, shape) => expectOwn<Place>(door, tensor, label, 'real', shape).array,
    ints: (tensor, label, shape) => expectOwn<Int32Array>(door, tensor, label, 'int', shape).array,
    doubles: (tensor, label) => expectOwn<Float64Array>(door, tensor, label, 'double', [1]).array,
  };
  return door;
}

function createBackend({ flavour, device }: Loaded): Backend {
  const door = createDoor();
  const tensors = createTensors(door, storage);
  const { own, pair } = tensors;
  /** A kernel whose intermediate results end with the call. */
  const tidy =
    <Call>(kernel: (door: TfDoor, call: Call) => void) =>
    (call: Call): void =>
      void tf.tidy(() => kernel(door, call));
  const flat = (place: Place) => read(place, [place.length]);

  return {
    describe: () => ({
      name: 'tfjs',
      engine: `tfjs-${flavour}-float32`,
      device,
      precision: 'float32',
      emulated: false,
    }),
    createTensor: tensors.createTensor,
    createParameter: tensors.createParameter,
    like: tensors.like,
    createSaved: (layer, steps, sequences) => tensors.keep(createSaved(door, layer, steps, sequences)),
    view: tensors.view,
    release: tensors.release,
    upload: tensors.upload,
    download: tensors.download,
    synchronize: async () => {
      // Operations run in their order, so that one that has ended shows that all before it have.
      const last = tf.zeros([1]);
      await last.data();
      last.dispose();
    },
    close: tensors.releaseAll,
    matmul: tidy(matmul),
    denseForward: tidy(denseForward),
    denseBackward: tidy(denseBackward),
    embeddingForward: tidy(embeddingForward),
    embeddingBackward: tidy(embeddingBackward),
    recurrentForward: (call) => recurrentForward(door, call),
    recurrentBackward: (call) => recurrentBackward(door, call),
    recurrentStep: (call) => recurrentStep(door, call),
    softmaxCrossEntropy: tidy(softmaxCrossEntropy),
    logSoftmax: tidy(logSoftmax),
    squaredError: tidy(squaredError),
    bernoulliCrossEntropy: tidy(bernoulliCrossEntropy),
    softmax: tidy(softmax),
    softmaxBackward: tidy(softmaxBackward),
    dropout: tidy(dropout),
    sgdStep: tidy(sgdStep),
    adamStep: tidy(adamStep),
    rmspropStep: tidy(rmspropStep),
    adagradStep: tidy(adagradStep),
    globalNorm: tidy(globalNorm),
    clipByNorm: tidy(clipByNorm),
    clipByValue: tidy(clipByValue),
    countNonFinite: tidy(countNonFinite),
    gatherRows: tidy(gatherRows),
    scatterAddRows: tidy(scatterAddRows),
    concatenate: tidy(concatenate),
    split: tidy(split),
    scaleRows: tidy(scaleRows),
    tanh: tidy(tanh),
    tanhBackward: tidy(tanhBackward),

    zero(...zeroed) {
      for (const tensor of zeroed) {
        const { array } = own(tensor, 'zero');
        if (isPlace(array)) tf.tidy(() => write(array, tf.zeros([array.length])));
        else array.fill(0);
      }
    },
    copy({ source, target }) {
      const [from, to] = pair(source, target).map(({ array }) => array) as [Memory, Memory];
      if (isPlace(from) && isPlace(to)) tf.tidy(() => write(to, flat(from)));
      else (to as Int32Array).set(from as Int32Array);
    },
    scale({ tensor, factor }) {
      const { array } = own(tensor, 'scale');
      if (isPlace(array)) tf.tidy(() => write(array, tf.mul(flat(array), factor)));
      else for (let i = 0; i < array.length; i++) array[i] = array[i]! * factor;
    },
    add({ source, target, factor = 1 }) {
      const [from, to] = pair(source, target).map(({ array }) => array) as [Memory, Memory];
      if (isPlace(from) && isPlace(to)) tf.tidy(() => add(to, tf.mul(flat(from), factor)));
      else {
        const [x, y] = [from as Float64Array, to as Float64Array];
        for (let i = 0; i < y.length; i++) y[i] = y[i]! + factor * x[i]!;
      }
    },
  };
}

/**
 * The kernels as operations of TensorFlow.js, on TensorFlow with CUDA, TensorFlow or WebAssembly, the first of these that is installed. Equal seeds give
 * the numbers of the other engines up to rounding; bits are not promised. `warn` receives what there is to say of an installation that does not work.
 */
export async function createTfjs(
  warn: (message: string) => void = (message) => process.emitWarning(message),
): Promise<Backend> {
  return createBackend(await loadTensorFlow(warn));
}
