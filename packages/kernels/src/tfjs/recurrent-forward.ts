import * as tf from '@tensorflow/tfjs-core';
import type { RecurrentForward, RecurrentStep } from '../backend.ts';
import { type CheckedForward, checkForward, checkStep, passOf } from '../checks/recurrent.ts';
import { gathered, scoped, type TfDoor } from './context.ts';
import type { Alive, Normalized } from './normalization.ts';
import { type Place, read, write } from './places.ts';
import { product } from './products.ts';
import {
  createPass,
  freeSaved,
  type RecurrentPass,
  type StepRecord,
  stepsOf,
  type TfSaved,
} from './recurrent-pass.ts';

/** U x, [N,G·H] step by step. */
function projectInput({ layer, weights }: RecurrentPass, input: Place | Int32Array, T: number, N: number) {
  if (input instanceof Int32Array)
    return Array.from({ length: T }, (_, t) => gathered(weights.input, input.subarray(t * N, (t + 1) * N)));
  return stepsOf(product(read(input, [T * N, layer.inputSize]), weights.input, { transposeB: true }), T);
}

interface States {
  readonly h: tf.Tensor;
  readonly c: tf.Tensor | null;
}

/** One step: `input` is its U x, `injected` what is added to it. */
function stepForward(
  pass: RecurrentPass,
  t: number,
  input: tf.Tensor,
  injected: tf.Tensor | null,
  { h, c }: States,
) {
  const { layer, cell, G, weights, normalization } = pass;
  const alive = pass.aliveAt(t);
  const noise = pass.noiseAt(t);
  const normalized = normalization?.forward(input, 0, alive) ?? null;
  let sum = normalized ? tf.mul(normalized.value, weights.gainIh!) : input;
  if (injected) sum = tf.add(sum, injected);
  const products: { source: tf.Tensor; normalized: Normalized | null }[] = [];

  const next = cell.forward({
    layer,
    weights,
    input: sum,
    h,
    c,
    mask: noise.mask,
    hidden(range, source) {
      const raw = product(source, weights.hiddenTransposed[range]!);
      const first = G + cell.ranges[range]![0] * pass.H;
      const own = normalization?.forward(raw, first, alive) ?? null;
      products.push({ source, normalized: own });
      return own ? tf.mul(own.value, pass.ofRange(weights.gainHh!, range)) : raw;
    },
    normalizeCell: (fresh) => normalization?.forward(fresh, 2 * G, alive) ?? null,
  });

  const record: StepRecord = { kept: next.kept, alive, noise, input: normalized, hidden: products };
  return {
    h: stay(alive, zoned(noise.h, h, next.h), h),
    c: next.c && c && stay(alive, zoned(noise.c, c, next.c), c),
    record,
    seen: pass.statistics?.training ? pass.statistics.seen() : null,
  };
}

/** share · old + (1 − share) · fresh. */
function zoned(share: tf.Tensor | null, old: tf.Tensor, fresh: tf.Tensor): tf.Tensor {
  return share ? tf.add(tf.mul(share, old), tf.mul(tf.sub(1, share), fresh)) : fresh;
}

/** States of sequences that have ended stay. */
function stay(alive: Alive | null, fresh: tf.Tensor, old: tf.Tensor): tf.Tensor {
  return alive ? tf.where(alive.rows, fresh, old) : fresh;
}

/** The time loop. Returns what backward needs, if that is wanted. */
function run(checked: CheckedForward<Place>, output: Place | null, isKept: boolean): StepRecord[] {
  const { layer, T, N } = checked;
  const pass = createPass(checked);
  const { H, G, statistics } = pass;
  const inputs = projectInput(pass, checked.input, T, N);
  const injected = checked.injected && stepsOf(read(checked.injected, [T * N, G]), T);
  const stateOf = (place: Place | null) => (place ? read(place, [N, H]) : tf.zeros([N, H]));
  let states: States = { h: stateOf(checked.h0), c: layer.cell === 'lstm' ? stateOf(checked.c0) : null };
  const outputs: tf.Tensor[] = [];
  const records: StepRecord[] = [];

  for (let t = 0; t < T; t++) {
    statistics?.go(checked.firstStep + t);
    const step = scoped(() => {
      const { record, ...next } = stepForward(pass, t, inputs[t]!, injected && injected[t]!, states);
      const { alive } = record;
      const shown = alive ? tf.where(alive.rows, next.h, tf.zerosLike(next.h)) : next.h;
      return { ...next, shown, record: isKept ? record : null, count: alive ? alive.count : N };
    });
    states = step;
    outputs.push(step.shown);
    if (step.record) records.push(step.record);
    if (step.seen) statistics!.move(step.seen, step.count);
  }
  statistics?.finish();
  if (output) write(output, tf.concat(outputs));
  if (checked.hT) write(checked.hT, states.h);
  if (checked.cT && states.c) write(checked.cT, states.c);
  return records;
}

export function recurrentForward(door: TfDoor, call: RecurrentForward): void {
  const checked = checkForward<Place, TfSaved>(door, call);
  const { saved, output } = checked;
  if (saved) freeSaved(saved);
  const records = scoped(() => run(checked, output, saved !== null));
  if (!saved) return;
  saved.records = records;
  saved.pass = passOf(checked, call.input);
}

export function recurrentStep(door: TfDoor, call: RecurrentStep): void {
  const checked = checkStep(door, call);
  scoped(() => run(checked, null, false));
}
