import type { Backend, Tensor } from '../backend.ts';
import { checkDropout } from '../checks/dropout.ts';
import { checkTanh, checkTanhBackward } from '../checks/rows.ts';
import { expectNumber } from '../engine.ts';
import { purposeWord } from '../philox.ts';
import { elementary, philox, threshold } from './elementary.ts';
import { elementwise, gridFor } from './grid.ts';
import type { Place } from './place.ts';
import type { Recorder } from './recorder.ts';
import type { Tensors } from './tensors.ts';

const kernels = {
  fill: elementwise({
    name: 'fill',
    reals: ['x'],
    numbers: { value: 'f32' },
    body: 'set_x(i, p.value);',
  }),
  copy: elementwise({ name: 'copy', reals: ['source', 'sink'], body: 'set_sink(i, source(i));' }),
  scale: elementwise({
    name: 'scale',
    reals: ['x'],
    numbers: { factor: 'f32' },
    body: 'set_x(i, x(i) * p.factor);',
  }),
  add: elementwise({
    name: 'add',
    reals: ['source', 'sink'],
    numbers: { factor: 'f32' },
    body: 'set_sink(i, fma(p.factor, source(i), sink(i)));',
  }),
  clip: elementwise({
    name: 'clip by value',
    reals: ['x'],
    numbers: { maximum: 'f32' },
    library: elementary,
    body: `let value = x(i);
  if (!is_nan(value)) { set_x(i, clamp(value, -p.maximum, p.maximum)); }`,
  }),
  tanh: elementwise({
    name: 'tanh',
    reals: ['x', 'y'],
    library: elementary,
    body: 'set_y(i, hyperbolic_tangent(x(i)));',
  }),
  tanhBackward: elementwise({
    name: 'tanh backward',
    reals: ['y', 'dy', 'dx'],
    body: 'let value = y(i); set_dx(i, dy(i) * fma(-value, value, 1.0));',
  }),
  dropout: elementwise({
    name: 'dropout',
    reals: ['x', 'y'],
    ints: ['sequences'],
    numbers: {
      units: 'u32',
      rows: 'u32',
      first_step: 'u32',
      variational: 'u32',
      threshold: 'u32',
      kept: 'f32',
      seed: 'u32',
      purpose: 'u32',
      step: 'u32',
    },
    library: philox,
    body: `let row = (i / p.units) % p.rows;
  let t = select(p.first_step + i / (p.units * p.rows), 0u, p.variational != 0u);
  var sequence = row;
  if (has_sequences()) { sequence = u32(sequences(row)); }
  let drops = is_drawn(p.step, sequence, t, i % p.units, p.seed, p.purpose, p.threshold);
  set_y(i, x(i) * select(p.kept, 0.0, drops));`,
  }),
};

export function fill(recorder: Recorder, x: Place, value: number): void {
  recorder.dispatch(
    kernels.fill,
    { reals: { x }, ints: {}, numbers: { value, count: x.length } },
    gridFor(x.length),
  );
}

export function copy(recorder: Recorder, source: Place, target: Place, count = target.length): void {
  recorder.dispatch(
    kernels.copy,
    { reals: { source, sink: target }, ints: {}, numbers: { count } },
    gridFor(count),
  );
}

/** Kernels that compute each element by itself. */
export function elementwiseKernels(
  recorder: Recorder,
  { door, own, pair }: Tensors,
): Pick<Backend, 'zero' | 'copy' | 'scale' | 'add' | 'clipByValue' | 'tanh' | 'tanhBackward' | 'dropout'> {
  /** What an operation does to integers, which live on this machine. */
  function onHost(tensor: Tensor, label: string, change: (values: Int32Array) => void): Place | null {
    const { array } = own(tensor, label);
    if (!(array instanceof Int32Array)) return array;
    change(array);
    recorder.changed(array);
    return null;
  }

  return {
    zero(...zeroed) {
      for (const tensor of zeroed) {
        const place = onHost(tensor, 'zero', (values) => values.fill(0));
        if (place) fill(recorder, place, 0);
      }
    },
    copy(call) {
      const [source] = pair(call.source, call.target);
      const target = onHost(call.target, 'target', (values) => values.set(source.array as Int32Array));
      if (target) copy(recorder, source.array as Place, target);
    },
    scale({ tensor, factor }) {
      const x = onHost(tensor, 'scale', (values) => values.set(values.map((value) => value * factor)));
      if (!x) return;
      const numbers = { factor, count: x.length };
      recorder.dispatch(kernels.scale, { reals: { x }, ints: {}, numbers }, gridFor(x.length));
    },
    add({ source, target, factor = 1 }) {
      const [from] = pair(source, target);
      const to = onHost(target, 'target', (values) =>
        values.set(values.map((value, i) => value + factor * (from.array as Int32Array)[i]!)),
      );
      if (!to) return;
      const reals = { source: from.array as Place, sink: to };
      recorder.dispatch(
        kernels.add,
        { reals, ints: {}, numbers: { factor, count: to.length } },
        gridFor(to.length),
      );
    },
    clipByValue({ tensors, maximum }) {
      expectNumber(maximum, 'clip value', maximum > 0, 'a number above 0');
      for (const tensor of tensors) {
        const x = door.reals(tensor, 'clip tensor');
        const numbers = { maximum, count: x.length };
        recorder.dispatch(kernels.clip, { reals: { x }, ints: {}, numbers }, gridFor(x.length));
      }
    },
    tanh(call) {
      const { input: x, output: y } = checkTanh(door, call);
      recorder.dispatch(
        kernels.tanh,
        { reals: { x, y }, ints: {}, numbers: { count: x.length } },
        gridFor(x.length),
      );
    },
    tanhBackward(call) {
      const { output: y, dOutput: dy, dInput: dx } = checkTanhBackward(door, call);
      recorder.dispatch(
        kernels.tanhBackward,
        { reals: { y, dy, dx }, ints: {}, numbers: { count: y.length } },
        gridFor(y.length),
      );
    },
    dropout(call) {
      const { N, H, input: x, output: y, sequences } = checkDropout(door, call);
      const { rate, seed, purpose, step, layer, firstStep = 0, variational = false } = call;
      const numbers = {
        units: H,
        rows: N,
        first_step: firstStep,
        variational: Number(variational),
        threshold: threshold(rate),
        kept: 1 / (1 - rate),
        seed,
        purpose: purposeWord(purpose, layer),
        step,
        count: x.length,
      };
      recorder.dispatch(
        kernels.dropout,
        { reals: { x, y }, ints: { sequences }, numbers },
        gridFor(x.length),
      );
    },
  };
}
