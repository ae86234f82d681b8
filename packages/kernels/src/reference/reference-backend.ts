import type { Backend } from '../backend.ts';
import { createEngine, type Precision } from '../engine.ts';
import { shapeOfRole } from '../roles.ts';
import { createTensors } from '../tensors.ts';
import { dropout } from './dropout.ts';
import { embeddingBackward, embeddingForward } from './embedding.ts';
import { pack, unpack } from './layout.ts';
import { logSoftmax, softmaxCrossEntropy } from './loss.ts';
import { denseBackward, denseForward, matmul } from './matmul.ts';
import { clipByNorm, clipByValue, countNonFinite, globalNorm } from './norm.ts';
import { adamStep, sgdStep } from './optimizer.ts';
import { recurrentForward, recurrentStep } from './recurrent.ts';
import { recurrentBackward } from './recurrent-backward.ts';
import { createSaved } from './recurrent-layer.ts';

/**
 * The reference: the Backend interface in plain TypeScript on one thread. Everything runs at the call. Elements are stored in
 * float32 (with `precision` float64, which is for finite differences, in double; with bf16, operands of products are rounded), every sum and every elementwise formula is computed in double and rounded when
 * it is stored, and only IEEE operations are used, so that its bits are the same on every machine.
 */
export function createReference({ precision = 'float32' }: { precision?: Precision } = {}): Backend {
  const engine = createEngine(precision);
  const tensors = createTensors(engine, {
    allocate(type, count) {
      if (type === 'real') return engine.allocate(count);
      return type === 'int' ? new Int32Array(count) : new Float64Array(count);
    },
    free: () => {},
    packedSize: (role) => shapeOfRole(role).reduce((size, dimension) => size * dimension, 1),
    pack,
    unpack,
  });
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
    dropout: (call) => dropout(engine, call),
    sgdStep: (call) => sgdStep(engine, call),
    adamStep: (call) => adamStep(engine, call),
    globalNorm: (call) => globalNorm(engine, call),
    clipByNorm: (call) => clipByNorm(engine, call),
    clipByValue: (call) => clipByValue(engine, call),
    countNonFinite: (call) => countNonFinite(engine, call),
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
