import type { Backend } from '../backend.ts';
import { expectNumber } from '../engine.ts';
import { elementary } from './elementary.ts';
import { elementwise, gridFor, gridOf, groupIndex, reducing } from './grid.ts';
import { defineKernel } from './kernel.ts';
import { type Place, part } from './place.ts';
import type { Recorder } from './recorder.ts';
import type { Scratch } from './scratch.ts';
import type { Tensors } from './tensors.ts';

const lanes = 256;
/** Elements whose sum is one workgroup's work: their number alone decides the order of a sum. */
const blockElements = 16 * lanes;

/** parts[b] ← Σ of `term(x)` over block b. */
function blockSums(name: string, term: string) {
  return defineKernel({
    name,
    reals: ['x', 'parts'],
    ints: [],
    numbers: { count: 'u32', blocks: 'u32' },
    code: reducing(
      lanes,
      elementary,
      `let block = ${groupIndex};
  if (block >= p.blocks) { return; }
  let end = min(p.count, (block + 1u) * ${blockElements}u);
  var sum = 0.0;
  for (var i = block * ${blockElements}u + lane; i < end; i += ${lanes}u) { let value = x(i); sum += ${term}; }
  let total = sum_of(sum, lane);
  if (lane == 0u) { set_parts(block, total); }`,
    ),
  });
}

const kernels = {
  squares: blockSums('block sums of squares', 'value * value'),
  nonFinite: blockSums('block counts of non-finite numbers', 'select(1.0, 0.0, is_finite(value))'),
  plain: blockSums('block sums', 'value'),
  /** A double (+)= Σ parts · factor, or its root. The sum of two float32 that a double is keeps what an addition rounds off. */
  total: defineKernel({
    name: 'total',
    reals: ['parts', 'sum'],
    ints: [],
    numbers: { count: 'u32', factor: 'f32', root: 'u32', accumulate: 'u32' },
    code: reducing(
      lanes,
      elementary,
      `var own = 0.0;
  for (var i = lane; i < p.count; i += ${lanes}u) { own += parts(i); }
  var value = sum_of(own, lane) * p.factor;
  if (lane != 0u) { return; }
  if (p.root != 0u) { value = sqrt(value); }
  var high = value;
  var low = 0.0;
  if (p.accumulate != 0u) {
    let before = sum(0u);
    high = before + value;
    let added = high - before;
    low = sum(1u) + ((before - (high - added)) + (value - added));
  }
  set_sum(0u, high);
  set_sum(1u, select(0.0, low, is_finite(high) && is_finite(low)));`,
    ),
  }),
  clip: elementwise({
    name: 'clip by norm',
    reals: ['x', 'norm'],
    numbers: { maximum: 'f32' },
    library: elementary,
    body: `let factor = p.maximum / (norm(0u) + 1e-6);
  // A norm that is NaN reaches every gradient.
  if (factor < 1.0 || is_nan(factor)) { set_x(i, x(i) * factor); }`,
  }),
};

interface Total {
  /** What the sum is multiplied by. Default 1. */
  readonly factor?: number;
  /** true: its square root. Default false. */
  readonly root?: boolean;
  /** true: adds to the double. Default false. */
  readonly accumulate?: boolean;
}

function total(
  recorder: Recorder,
  parts: Place,
  count: number,
  sum: Place,
  { factor = 1, root = false, accumulate = false }: Total,
): void {
  const numbers = { count, factor, root: Number(root), accumulate: Number(accumulate) };
  recorder.dispatch(kernels.total, { reals: { parts, sum }, ints: {}, numbers }, [1]);
}

/** A double ← what one of the block kernels makes of all of `places`. */
function reduce(
  recorder: Recorder,
  scratch: Scratch,
  kernel: ReturnType<typeof blockSums>,
  places: readonly Place[],
  sum: Place,
  options: Total,
): void {
  const blocks = places.map(({ length }) => Math.ceil(length / blockElements));
  const count = blocks.reduce((a, b) => a + b, 0);
  const parts = scratch('parts', count);
  let at = 0;
  for (const [i, x] of places.entries()) {
    const own = blocks[i]!;
    const numbers = { count: x.length, blocks: own };
    recorder.dispatch(kernel, { reals: { x, parts: part(parts, at, own) }, ints: {}, numbers }, gridOf(own));
    at += own;
  }
  total(recorder, parts, count, sum, options);
}

/** A double (+)= factor · Σ x. */
export function sumInto(recorder: Recorder, scratch: Scratch, x: Place, sum: Place, options: Total): void {
  reduce(recorder, scratch, kernels.plain, [x], sum, options);
}

/** Kernels that make one number of many, and those that need it. */
export function scalarKernels(
  recorder: Recorder,
  scratch: Scratch,
  { door }: Tensors,
): Pick<Backend, 'globalNorm' | 'clipByNorm' | 'countNonFinite'> {
  return {
    globalNorm(call) {
      const places = call.tensors.map((tensor) => door.reals(tensor, 'norm tensor'));
      reduce(recorder, scratch, kernels.squares, places, door.doubles(call.norm, 'norm'), { root: true });
    },
    clipByNorm({ tensors, norm, maximum }) {
      expectNumber(maximum, 'clip norm', maximum > 0, 'a number above 0');
      const double = door.doubles(norm, 'norm');
      for (const tensor of tensors) {
        const x = door.reals(tensor, 'clip tensor');
        const numbers = { maximum, count: x.length };
        recorder.dispatch(kernels.clip, { reals: { x, norm: double }, ints: {}, numbers }, gridFor(x.length));
      }
    },
    countNonFinite({ tensors, count }) {
      const places = tensors.map((tensor) =>
        tensor.type === 'double'
          ? part(door.doubles(tensor, 'checked'), 0, 1)
          : door.reals(tensor, 'checked'),
      );
      reduce(recorder, scratch, kernels.nonFinite, places, door.doubles(count, 'count'), {});
    },
  };
}
