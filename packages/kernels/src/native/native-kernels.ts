import type { Backend, Tensor } from '../backend.ts';
import { checkDropout } from '../checks/dropout.ts';
import { checkEmbeddingBackward, checkEmbeddingForward } from '../checks/embedding.ts';
import { checkLogSoftmax, checkLoss } from '../checks/loss.ts';
import { checkAdam, checkSgd } from '../checks/optimizer.ts';
import { checkDenseBackward, checkDenseForward, checkMatmul } from '../checks/products.ts';
import {
  type CheckedBackward,
  type CheckedForward,
  checkBackward,
  checkForward,
  checkStep,
  passOf,
  type Saved,
} from '../checks/recurrent.ts';
import type { Weights } from '../checks/weights.ts';
import { type Engine, expectNumber, type RealArray } from '../engine.ts';
import { purposeWord } from '../philox.ts';
import { adagradStep, rmspropStep } from '../reference/optimizer.ts';
import { bernoulliCrossEntropy, softmax, softmaxBackward, squaredError } from '../reference/row-loss.ts';
import {
  concatenate,
  gatherRows,
  scaleRows,
  scatterAddRows,
  split,
  tanh,
  tanhBackward,
} from '../reference/rows.ts';
import type { HostTensors } from '../tensors.ts';
import type { MaskKey, NativeEngine, NormOperands, RecurrentOperands, SavedArrays } from './addon.ts';
import { cellCode, layerOptions } from './codes.ts';

/** Arrays of this backend are float32: its engine was made so. */
const f32 = (array: RealArray) => array as Float32Array;
const maybe = (array: RealArray | null) => array as Float32Array | null;

function operands(
  { layer, input, weights }: CheckedForward | CheckedBackward,
  { T, N }: { T: number; N: number },
): RecurrentOperands {
  return [
    cellCode(layer),
    layer.input === 'tokens',
    T,
    N,
    layer.inputSize,
    layer.hiddenSize,
    input as Float32Array | Int32Array,
    f32(weights.weightIh),
    f32(weights.weightHh),
    f32(weights.biasIh),
    f32(weights.biasHh),
  ];
}

function maskKey({ training, firstStep }: Pick<CheckedForward, 'training' | 'firstStep'>): MaskKey {
  if (!training) return [firstStep === 0 ? null : Float64Array.of(0, 0, 0, 0, firstStep), null];
  const { seed, step, layer, sequences } = training;
  return [Float64Array.of(1, seed, step, layer, firstStep), sequences];
}

function normOperands(saved: Saved | null, { gainIh, gainHh, gainCell, biasCell }: Weights): NormOperands {
  return [saved && f32(saved.normalized), f32(gainIh), f32(gainHh), f32(gainCell), f32(biasCell)];
}

type Kernels = Omit<
  Backend,
  | 'describe'
  | 'createTensor'
  | 'createParameter'
  | 'like'
  | 'createSaved'
  | 'view'
  | 'release'
  | 'upload'
  | 'download'
  | 'synchronize'
  | 'close'
>;

/** The kernels of the Backend interface: each call is checked, then handed to C++. */
export function createKernels(
  engine: Engine,
  native: NativeEngine,
  { own, pair }: Pick<HostTensors, 'own' | 'pair'>,
): Kernels {
  const reals = (tensor: Tensor, label: string) => f32(engine.reals(tensor, label));

  return {
    matmul(call) {
      const { M, K, P, a, b, bias, output, transposeA, transposeB, accumulate } = checkMatmul(engine, call);
      native.matmul(M, K, P, f32(a), f32(b), maybe(bias), f32(output), transposeA, transposeB, accumulate);
    },
    denseForward(call) {
      const { rows, inputs, outputs, input, weight, plain, bias, output } = checkDenseForward(engine, call);
      native.denseForward(rows, inputs, outputs, f32(input), f32(weight), plain, maybe(bias), f32(output));
    },
    denseBackward(call) {
      const checked = checkDenseBackward(engine, call);
      const { rows, inputs, outputs, input, weight, plain } = checked;
      native.denseBackward(
        rows,
        inputs,
        outputs,
        f32(input),
        f32(weight),
        plain,
        f32(checked.dOutput),
        maybe(checked.dInput),
        maybe(checked.dWeight),
        maybe(checked.dBias),
      );
    },
    embeddingForward(call) {
      const { V, C, tokens, table, rows } = checkEmbeddingForward(engine, call);
      native.embeddingForward(tokens.length, V, C, tokens, f32(table), f32(rows));
    },
    embeddingBackward(call) {
      const { V, C, tokens, table, rows } = checkEmbeddingBackward(engine, call);
      native.embeddingBackward(tokens.length, V, C, tokens, f32(rows), f32(table));
    },

    recurrentForward(call) {
      const checked = checkForward(engine, call);
      const { saved, h0, c0, output, hT, cT, lengths } = checked;
      const kept: SavedArrays<Float32Array | null> = saved
        ? [f32(saved.gates), f32(saved.cells), f32(saved.first)]
        : [null, null, null];
      native.recurrentForward(
        ...operands(checked, checked),
        ...kept,
        maybe(h0),
        maybe(c0),
        f32(output),
        maybe(hT),
        maybe(cT),
        lengths,
        layerOptions(call.layer),
        maybe(checked.injected),
        f32(checked.weights.peephole),
        ...maskKey(checked),
        ...normOperands(saved, checked.weights),
        maybe(checked.statistics?.mean ?? null),
        maybe(checked.statistics?.variance ?? null),
        maybe(checked.statistics?.batches ?? null),
        null,
      );
      if (saved) saved.pass = passOf(checked, call.input);
    },
    recurrentStep(call) {
      const checked = checkStep(engine, call);
      const { h0, c0, hT, cT } = checked;
      native.recurrentForward(
        ...operands(checked, checked),
        null,
        null,
        null,
        maybe(h0),
        maybe(c0),
        null,
        maybe(hT),
        maybe(cT),
        null,
        layerOptions(call.layer),
        maybe(checked.injected),
        f32(checked.weights.peephole),
        null,
        null,
        ...normOperands(null, checked.weights),
        maybe(checked.statistics?.mean ?? null),
        maybe(checked.statistics?.variance ?? null),
        maybe(checked.statistics?.batches ?? null),
        checked.positions,
      );
    },
    recurrentBackward(call) {
      const checked = checkBackward(engine, call);
      const { saved, pass, gradients } = checked;
      saved.pass = null;
      native.recurrentBackward(
        ...operands(checked, pass),
        f32(saved.gates),
        f32(saved.cells),
        f32(saved.first),
        f32(pass.output),
        maybe(checked.dOutput),
        maybe(checked.dhT),
        maybe(checked.dcT),
        maybe(checked.dInput),
        maybe(checked.dh0),
        maybe(checked.dc0),
        maybe(gradients.weightIh),
        maybe(gradients.weightHh),
        maybe(gradients.biasIh),
        maybe(gradients.biasHh),
        pass.lengths,
        layerOptions(call.layer),
        maybe(checked.dInjected),
        f32(checked.weights.peephole),
        ...maskKey(pass),
        maybe(gradients.peephole),
        ...normOperands(saved, checked.weights),
        maybe(gradients.gainIh),
        maybe(gradients.gainHh),
        maybe(gradients.gainCell),
        maybe(gradients.biasCell),
      );
    },

    softmaxCrossEntropy(call) {
      const { rows, V, logits, targets, count, accumulate, loss, correct, losses, dLogits } = checkLoss(
        engine,
        call,
      );
      const [sum, hits] = native.softmaxCrossEntropy(
        rows,
        V,
        f32(logits),
        targets,
        count,
        maybe(losses),
        maybe(dLogits),
        correct !== null,
      );
      if (correct) correct[0] = (accumulate ? correct[0]! : 0) + hits;
      loss[0] = (accumulate ? loss[0]! : 0) + sum / count;
    },
    logSoftmax(call) {
      const { rows, V, logits, output } = checkLogSoftmax(engine, call);
      native.logSoftmax(rows, V, f32(logits), f32(output));
    },
    dropout(call) {
      const { T, N, H, input, output, sequences } = checkDropout(engine, call);
      const { rate, seed, purpose, step, layer, firstStep = 0, variational = false } = call;
      const key = purposeWord(purpose, layer);
      native.dropout(
        T,
        N,
        H,
        f32(input),
        f32(output),
        sequences,
        rate,
        seed,
        key,
        step,
        firstStep,
        variational,
      );
    },

    sgdStep(call) {
      const { learningRate, momentum, nesterov } = call;
      for (const { p, g, velocity, weightDecay } of checkSgd(engine, call))
        native.sgdStep(f32(p), f32(g), maybe(velocity), weightDecay, learningRate, momentum, nesterov);
    },
    adamStep(call) {
      const { beta1, beta2, epsilon } = call;
      const { rate, root, entries } = checkAdam(engine, call);
      for (const { p, g, m, v, kept, weightDecay } of entries()) {
        if (kept !== 1) native.scale(f32(p), kept);
        native.adamStep(f32(p), f32(g), f32(m), f32(v), weightDecay, beta1, beta2, epsilon, rate, 1 / root);
      }
    },
    globalNorm(call) {
      let sum = 0;
      for (const tensor of call.tensors) sum += native.sumOfSquares(reals(tensor, 'norm tensor'));
      engine.doubles(call.norm, 'norm')[0] = Math.sqrt(sum);
    },
    clipByNorm(call) {
      expectNumber(call.maximum, 'clip norm', call.maximum > 0, 'a number above 0');
      const factor = call.maximum / (engine.doubles(call.norm, 'norm')[0]! + 1e-6);
      // False for NaN, which then reaches every gradient.
      if (factor >= 1) return;
      for (const tensor of call.tensors) native.scale(reals(tensor, 'clip tensor'), factor);
    },
    clipByValue(call) {
      expectNumber(call.maximum, 'clip value', call.maximum > 0, 'a number above 0');
      for (const tensor of call.tensors) native.clip(reals(tensor, 'clip tensor'), call.maximum);
    },
    countNonFinite(call) {
      let count = 0;
      for (const tensor of call.tensors) {
        if (tensor.type !== 'double') count += native.countNonFinite(reals(tensor, 'checked'));
        else if (!Number.isFinite(engine.doubles(tensor, 'checked')[0]!)) count++;
      }
      engine.doubles(call.count, 'count')[0] = count;
    },

    // These read and write each number once, so that C++ would gain little: the reference's own, on the same memory.
    squaredError: (call) => squaredError(engine, call),
    bernoulliCrossEntropy: (call) => bernoulliCrossEntropy(engine, call),
    softmax: (call) => softmax(engine, call),
    softmaxBackward: (call) => softmaxBackward(engine, call),
    rmspropStep: (call) => rmspropStep(engine, call),
    adagradStep: (call) => adagradStep(engine, call),
    gatherRows: (call) => gatherRows(engine, call),
    scatterAddRows: (call) => scatterAddRows(engine, call),
    concatenate: (call) => concatenate(engine, call),
    split: (call) => split(engine, call),
    scaleRows: (call) => scaleRows(engine, call),
    tanh: (call) => tanh(engine, call),
    tanhBackward: (call) => tanhBackward(engine, call),

    zero(...tensors) {
      for (const tensor of tensors) own(tensor, 'zero').array.fill(0);
    },
    copy({ source, target }) {
      const [from, to] = pair(source, target);
      to.array.set(from.array);
    },
    scale({ tensor, factor }) {
      const { array } = own(tensor, 'scale');
      if (array instanceof Float32Array) native.scale(array, factor);
      else for (let i = 0; i < array.length; i++) array[i] = array[i]! * factor;
    },
    add({ source, target, factor = 1 }) {
      const [from, to] = pair(source, target);
      const [x, y] = [from.array, to.array];
      if (x instanceof Float32Array && y instanceof Float32Array) native.add(x, y, factor);
      else for (let i = 0; i < y.length; i++) y[i] = y[i]! + factor * x[i]!;
    },
  };
}
