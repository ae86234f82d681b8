import type { Backend } from '../backend.ts';
import { createEngine, type Precision, sizeOf } from '../engine.ts';
import { shapeOfRole } from '../roles.ts';
import { createTensors, hostArray, hostStorage } from '../tensors.ts';
import { dropout } from './dropout.ts';
import { embeddingBackward, embeddingForward } from './embedding.ts';
import { pack, unpack } from './layout.ts';
import { logSoftmax, softmaxCrossEntropy } from './loss.ts';
import { denseBackward, denseForward, matmul } from './matmul.ts';
import { clipByNorm, clipByValue, countNonFinite, globalNorm } from './norm.ts';
import { adagradStep, adamStep, rmspropStep, sgdStep } from './optimizer.ts';
import { recurrentForward, recurrentStep } from './recurrent.ts';
import { recurrentBackward } from './recurrent-backward.ts';
import { createSaved } from './recurrent-layer.ts';
import { bernoulliCrossEntropy, softmax, softmaxBackward, squaredError } from './row-loss.ts';
import { concatenate, gatherRows, scaleRows, scatterAddRows, split, tanh, tanhBackward } from './rows.ts';

/**
 * The reference: the Backend interface in plain TypeScript on one thread. Everything runs at the call. Elements are stored in
 * float32 (with `precision` float64, which is for finite differences, in double; with bf16, operands of products are rounded), every sum and every elementwise formula is computed in double and rounded when
 * it is stored, and only IEEE operations are used, so that its bits are the same on every machine.
 */
export function createReference({ precision = 'float32' }: { precision?: Precision } = {}): Backend {
  const engine = createEngine(precision);
  const real = precision === 'float64' ? Float64Array : Float32Array;
  const storage = hostStorage({
    real,
    allocate: (type, count) => hostArray(type, count, real),
    free: () => {},
    packedSize: (role) => sizeOf(shapeOfRole(role)),
    pack,
    unpack,
  });
  const tensors = createTensors(engine, storage);
  const { own, pair } = tensors;

  const backend: Backend = {
    describe: () => ({
      name: 'reference',
      engine: `reference-${precision}`,
      device: 'cpu',
      precision,
      emulated: precision === 'bf16',
    }),
    createTensor: tensors.createTensor,
    createParameter: tensors.createParameter,
    like: tensors.like,
    createSaved: (layer, steps, sequences) => tensors.keep(createSaved(engine, layer, steps, sequences)),
    view: tensors.view,
    release: tensors.release,
    upload: tensors.upload,
    download: tensors.download,
    synchronize: async () => {},
    close() {
      tensors.releaseAll();
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
    squaredError: (call) => squaredError(engine, call),
    bernoulliCrossEntropy: (call) => bernoulliCrossEntropy(engine, call),
    softmax: (call) => softmax(engine, call),
    softmaxBackward: (call) => softmaxBackward(engine, call),
    dropout: (call) => dropout(engine, call),
    sgdStep: (call) => sgdStep(engine, call),
    adamStep: (call) => adamStep(engine, call),
    rmspropStep: (call) => rmspropStep(engine, call),
    adagradStep: (call) => adagradStep(engine, call),
    globalNorm: (call) => globalNorm(engine, call),
    clipByNorm: (call) => clipByNorm(engine, call),
    clipByValue: (call) => clipByValue(engine, call),
    countNonFinite: (call) => countNonFinite(engine, call),
    gatherRows: (call) => gatherRows(engine, call),
    scatterAddRows: (call) => scatterAddRows(engine, call),
    concatenate: (call) => concatenate(engine, call),
    split: (call) => split(engine, call),
    scaleRows: (call) => scaleRows(engine, call),
    tanh: (call) => tanh(engine, call),
    tanhBackward: (call) => tanhBackward(engine, call),
    zero(...zeroed) {
      for (const tensor of zeroed) own(tensor, 'zero').array.fill(0);
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
