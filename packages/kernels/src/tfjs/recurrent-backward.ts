import * as tf from '@tensorflow/tfjs-core';
import type { RecurrentBackward } from '../backend.ts';
import { type CheckedBackward, checkBackward } from '../checks/recurrent.ts';
import { scattered, scoped, type TfDoor } from './context.ts';
import type { Alive } from './normalization.ts';
import { add, type Place, read, write } from './places.ts';
import { product } from './products.ts';
import {
  createPass,
  freeSaved,
  type RecurrentPass,
  type StepRecord,
  stepsOf,
  type TfSaved,
} from './recurrent-pass.ts';

type Checked = CheckedBackward<Place, TfSaved>;
/** Gradients of parameters that are summed step by step. */
type Sums = Partial<Record<'gainIh' | 'gainHh' | 'peephole' | 'gainCell' | 'biasCell', tf.Tensor>>;

interface States {
  readonly dh: tf.Tensor;
  readonly dc: tf.Tensor | null;
}

/** What a step leaves for the products over all steps. */
interface StepGradients {
  /** Of the input's sum, and of U x, [N,G·H]: the same where nothing is normalised. */
  readonly dInput: tf.Tensor;
  readonly dProjected: tf.Tensor;
  /** Of W h's sum; null where there is none. */
  readonly dHidden: tf.Tensor | null;
  /** Of the product itself, range by range. */
  readonly dProducts: readonly tf.Tensor[];
}

const columnSums = (x: tf.Tensor) => tf.sum(x, 0, true);

/** The part of a state's gradient that goes straight to the old value. */
const carried = (share: tf.Tensor | null, d: tf.Tensor) => (share ? tf.mul(share, d) : null);

/** What arrives at a final state waits until its sequence's own last step. */
const stay = (alive: Alive | null, fresh: tf.Tensor, waiting: tf.Tensor) =>
  alive ? tf.where(alive.rows, fresh, waiting) : fresh;

function stepBackward(pass: RecurrentPass, record: StepRecord, dOutput: tf.Tensor | null, states: States) {
  const { layer, cell, weights, normalization } = pass;
  const { alive, noise, kept } = record;
  const living = (d: tf.Tensor) => stay(alive, d, tf.zerosLike(d));
  const dh = living(dOutput ? tf.add(states.dh, dOutput) : states.dh);
  const dc = states.dc && living(states.dc);
  const straight = { h: carried(noise.h, dh), c: dc && carried(noise.c, dc) };
  const dProducts: tf.Tensor[] = [];
  const gains: tf.Tensor[] = [];

  const own = cell.backward({
    layer,
    weights,
    kept,
    mask: noise.mask,
    dh: straight.h ? tf.sub(dh, straight.h) : dh,
    dc: dc && straight.c ? tf.sub(dc, straight.c) : dc,
    hidden(range, dProduct) {
      const { normalized } = record.hidden[range]!;
      let raw = dProduct;
      if (normalization && normalized) {
        gains[range] = columnSums(tf.mul(dProduct, normalized.value));
        const d = tf.mul(dProduct, pass.ofRange(weights.gainHh!, range));
        raw = normalization.backward(d, normalized, alive);
      }
      dProducts[range] = raw;
      return product(raw, weights.hidden[range]!);
    },
    normalizeCell: (d, normalized) => normalization!.backward(d, normalized, alive),
  });

  const { dInput, dHidden, dh: dBefore, dc: dcBefore, ...cellSums } = own;
  let dProjected = dInput;
  const sums: Sums = { ...cellSums, ...(gains.length > 0 && { gainHh: tf.concat(gains, 1) }) };
  if (normalization && record.input) {
    sums.gainIh = columnSums(tf.mul(dInput, record.input.value));
    dProjected = normalization.backward(tf.mul(dInput, weights.gainIh!), record.input, alive);
  }
  const joined = (d: tf.Tensor, part: tf.Tensor | null) => (part ? tf.add(d, part) : d);
  return {
    gradients: { dInput, dProjected, dHidden, dProducts } satisfies StepGradients,
    sums,
    states: {
      dh: stay(alive, joined(dBefore, straight.h), states.dh),
      dc: dcBefore && states.dc && stay(alive, joined(dcBefore, straight.c), states.dc),
    } satisfies States,
  };
}

function run(checked: Checked): void {
  const { layer, saved, dh0, dc0 } = checked;
  const { T, N } = checked.pass;
  const pass = createPass({ ...checked.pass, layer, weights: checked.weights, positions: null });
  const { H, statistics } = pass;
  const stateOf = (place: Place | null) => (place ? read(place, [N, H]) : tf.zeros([N, H]));
  let states: States = {
    dh: stateOf(checked.dhT),
    dc: layer.cell === 'lstm' ? stateOf(checked.dcT) : null,
  };
  const dOutputs = checked.dOutput && stepsOf(read(checked.dOutput, [T * N, H]), T);
  const steps: StepGradients[] = new Array(T);
  const sums: Sums = {};

  for (let t = T - 1; t >= 0; t--) {
    statistics?.go(checked.pass.firstStep + t);
    const step = scoped(() => {
      return stepBackward(pass, saved.records[t]!, dOutputs && dOutputs[t]!, states);
    });
    steps[t] = step.gradients;
    states = step.states;
    for (const [name, value] of Object.entries(step.sums) as [keyof Sums, tf.Tensor][])
      sums[name] = sums[name] ? tf.add(sums[name], value) : value;
  }
  parameterGradients(checked, pass, steps, sums);
  if (dh0) write(dh0, states.dh);
  if (dc0 && states.dc) write(dc0, states.dc);
}

/** The products over all steps at once, and the sums. */
function parameterGradients(
  checked: Checked,
  pass: RecurrentPass,
  steps: readonly StepGradients[],
  sums: Sums,
): void {
  const { layer, input, gradients, dInput, dInjected, saved } = checked;
  const { T, N } = checked.pass;
  const { cell, weights } = pass;
  const all = (of: (step: StepGradients) => tf.Tensor) => tf.concat(steps.map(of)) as tf.Tensor2D;

  if (gradients.weightHh)
    add(
      gradients.weightHh,
      tf.concat(
        cell.ranges.map((_, range) => {
          const sources = tf.concat(saved.records.map((record) => record.hidden[range]!.source));
          return product(
            all((step) => step.dProducts[range]!),
            sources,
            { transposeA: true },
          );
        }),
      ),
    );
  if (gradients.biasHh) add(gradients.biasHh, columnSums(all((step) => step.dHidden!)));
  if (gradients.biasIh) add(gradients.biasIh, columnSums(all((step) => step.dInput)));
  if (dInjected)
    write(
      dInjected,
      all((step) => step.dInput),
    );
  const dProjected = all((step) => step.dProjected);
  if (gradients.weightIh && input instanceof Int32Array)
    add(gradients.weightIh, scattered(dProjected, input, layer.inputSize));
  else if (gradients.weightIh) {
    const x = read(input as Place, [T * N, layer.inputSize]);
    add(gradients.weightIh, product(dProjected, x, { transposeA: true }));
  }
  if (dInput) write(dInput, product(dProjected, weights.input));
  for (const [name, sum] of Object.entries(sums) as [keyof Sums, tf.Tensor][]) {
    const target = gradients[name];
    if (target) add(target, sum);
  }
}

/** Backpropagation through time, from what forward kept of every step. */
export function recurrentBackward(door: TfDoor, call: RecurrentBackward): void {
  const checked = checkBackward<Place, TfSaved>(door, call);
  scoped(() => run(checked));
  checked.saved.pass = null;
  freeSaved(checked.saved);
}
