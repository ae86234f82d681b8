import { elementary } from './elementary.ts';
import { gridOf, groupIndex, reducing } from './grid.ts';
import { defineKernel } from './kernel.ts';

/** WGSL of both kinds: x̂ = (x − mean) / √(variance + ε). */
const epsilon = '1e-5';
const lanes = 64;

const rowArguments = {
  rows: 'u32',
  /** How many columns are normalised together. */
  columns: 'u32',
  x_row: 'u32',
  /** Inverses of a time step's rows stand together: how many elements one takes, and how many rows it has. */
  slot: 'u32',
  sequences: 'u32',
} as const;

const rowCode = (body: string) =>
  reducing(
    lanes,
    elementary,
    `let row = ${groupIndex};
  if (row >= p.rows) { return; }
  let at = row * p.x_row;
  let place = (row / p.sequences) * p.slot + row % p.sequences;
  let size = f32(p.columns);
  ${body}`,
  );
const perColumn = (body: string) => `for (var k = lane; k < p.columns; k += ${lanes}u) { ${body} }`;

/** By layer (Ba, Kiros and Hinton 2016), a workgroup for each row: x → x̂ in place, and what divided it. */
export const layerForward = defineKernel({
  name: 'layer norm',
  reals: ['x', 'inverses'],
  ints: [],
  numbers: rowArguments,
  code: rowCode(`var own = 0.0;
  ${perColumn('own += x(at + k);')}
  let mean = sum_of(own, lane) / size;
  var squares = 0.0;
  ${perColumn('let d = x(at + k) - mean; squares = fma(d, d, squares);')}
  let inverse = 1.0 / sqrt(sum_of(squares, lane) / size + ${epsilon});
  ${perColumn('set_x(at + k, (x(at + k) - mean) * inverse);')}
  if (lane == 0u) { set_inverses(place, inverse); }`),
});

/** From dy = ∂L/∂(gain x̂): dx = (d − mean(d) − x̂ mean(d x̂)) / √(variance + ε) with d = gain dy. Columns of dy from `shift_from` on stand `shift` further. */
export const layerBackward = defineKernel({
  name: 'layer norm backward',
  reals: ['dy', 'gain', 'x', 'inverses', 'dx'],
  ints: [],
  numbers: { ...rowArguments, dy_row: 'u32', shift_from: 'u32', shift: 'u32' },
  code: rowCode(`let from_row = row * p.dy_row;
  var own = 0.0;
  var along = 0.0;
  ${perColumn(`let d = gain(k) * dy(from_row + k + select(0u, p.shift, k >= p.shift_from));
    own += d;
    along = fma(d, x(at + k), along);`)}
  let mean = sum_of(own, lane) / size;
  let slope = sum_of(along, lane) / size;
  let inverse = inverses(place);
  ${perColumn(`let d = gain(k) * dy(from_row + k + select(0u, p.shift, k >= p.shift_from));
    set_dx(at + k, (d - mean - x(at + k) * slope) * inverse);`)}`),
});

/** Workgroups of the kernels by layer. */
export const layerGrid = (rows: number) => gridOf(rows);

const batchLanes = 64;
/** Workgroups of the kernels by batch: a thread for each column. */
export const batchGrid = (columns: number): [number] => [Math.ceil(columns / batchLanes)];

/**
 * What batch normalisation needs to know of a pass, made by one thread: for each step t, 2t: the row of the running statistics, 2t + 1: how far it moves. At 2T: the last
 * row that has seen a batch, so that longer sequences than any in training find something. Counts the pass's batches.
 */
export const schedule = defineKernel({
  name: 'schedule of batch norm',
  reals: ['batches', 'plan'],
  ints: ['present'],
  numbers: { T: 'u32', rows: 'u32', first_step: 'u32', training: 'u32' },
  code: `
@compute @workgroup_size(1) fn main() {
  var last = p.rows - 1u;
  for (; last > 0u; last--) { if (batches(last) > 0.0) { break; } }
  set_plan(2u * p.T, f32(last));
  for (var t = 0u; t < p.T; t++) {
    let row = min(p.first_step + t, select(last, p.rows - 1u, p.training != 0u));
    var share = 0.0;
    // One row says nothing about a variance.
    if (p.training != 0u && present(t) >= 2) {
      let count = batches(row) + 1.0;
      set_batches(row, count);
      share = max(0.1, 1.0 / count);
    }
    set_plan(2u * t, f32(row));
    set_plan(2u * t + 1u, share);
  }
}`,
});

const columnArguments = {
  /** Steps from `first` on, of `N` rows each. */
  steps: 'u32',
  first: 'u32',
  N: 'u32',
  columns: 'u32',
  x_row: 'u32',
  slot: 'u32',
  training: 'u32',
} as const;

function columnCode(library: string, body: string): string {
  return `${library}
fn is_present(n: u32, t: u32) -> bool {
  if (!has_lengths()) { return true; }
  return i32(t) < lengths(n);
}
@compute @workgroup_size(${batchLanes}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x;
  if (k >= p.columns) { return; }
  for (var step = 0u; step < p.steps; step++) {
    let t = p.first + step;
    let row0 = step * p.N;
    ${body}
  }
}`;
}

/**
 * By batch (Cooijmans et al. 2016), a thread for each column of one product: its rows of a time step that are not padding, by their own moments, which move the
 * running ones; or, outside of training, by the running ones. `mean` and `variance` begin at that product's columns, rows `moments_row` apart.
 */
export const batchForward = defineKernel({
  name: 'batch norm',
  reals: ['x', 'inverses', 'mean', 'variance', 'plan'],
  ints: ['lengths', 'positions'],
  numbers: { ...columnArguments, moments_row: 'u32', T: 'u32' },
  code: columnCode(
    elementary,
    `let row = u32(plan(2u * t));
    let moment = row * p.moments_row + k;
    if (p.training == 0u) {
      for (var n = 0u; n < p.N; n++) {
        var own = moment;
        if (has_positions()) { own = min(u32(positions(n)), u32(plan(2u * p.T))) * p.moments_row + k; }
        let at = (row0 + n) * p.x_row + k;
        let inverse = 1.0 / sqrt(variance(own) + ${epsilon});
        set_x(at, (x(at) - mean(own)) * inverse);
        if (n == 0u) { set_inverses(step * p.slot + k, inverse); }
      }
      continue;
    }
    var sum = 0.0;
    var count = 0.0;
    for (var n = 0u; n < p.N; n++) {
      if (is_present(n, t)) { sum += x((row0 + n) * p.x_row + k); count += 1.0; }
    }
    let average = sum / max(count, 1.0);
    var squares = 0.0;
    for (var n = 0u; n < p.N; n++) {
      if (is_present(n, t)) { let d = x((row0 + n) * p.x_row + k) - average; squares = fma(d, d, squares); }
    }
    let biased = squares / max(count, 1.0);
    let inverse = 1.0 / sqrt(biased + ${epsilon});
    for (var n = 0u; n < p.N; n++) {
      let at = (row0 + n) * p.x_row + k;
      if (is_present(n, t)) { set_x(at, (x(at) - average) * inverse); }
    }
    set_inverses(step * p.slot + k, inverse);
    let share = plan(2u * t + 1u);
    if (share > 0.0) {
      let unbiased = biased * count / (count - 1.0);
      set_mean(moment, (1.0 - share) * mean(moment) + share * average);
      set_variance(moment, (1.0 - share) * variance(moment) + share * unbiased);
    }`,
  ),
});

/** As by layer, but over rows; running statistics are constants. */
export const batchBackward = defineKernel({
  name: 'batch norm backward',
  reals: ['dy', 'gain', 'x', 'inverses', 'dx'],
  ints: ['lengths'],
  numbers: { ...columnArguments, dy_row: 'u32', shift_from: 'u32', shift: 'u32' },
  code: columnCode(
    '',
    `let dy_column = k + select(0u, p.shift, k >= p.shift_from);
    var sum = 0.0;
    var along = 0.0;
    var count = 0.0;
    for (var n = 0u; n < p.N; n++) {
      if (!is_present(n, t)) { continue; }
      let d = dy((row0 + n) * p.dy_row + dy_column);
      sum += d;
      along = fma(d, x((row0 + n) * p.x_row + k), along);
      count += 1.0;
    }
    let scale = gain(k) * inverses(step * p.slot + k);
    let share = select(0.0, 1.0 / max(count, 1.0), p.training != 0u);
    for (var n = 0u; n < p.N; n++) {
      let at = (row0 + n) * p.x_row + k;
      let d = dy((row0 + n) * p.dy_row + dy_column) - sum * share - x(at) * (along * share);
      set_dx(at, select(0.0, d * scale, is_present(n, t)));
    }`,
  ),
});
