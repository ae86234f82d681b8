import { type FusedCell, finishRows, fusedNumbers, multiplyAdds } from './fused-cells.ts';
import { gridOf, groupArguments, groupIndex } from './grid.ts';
import { defineKernel, type Kernel } from './kernel.ts';

/** The most numbers that a workgroup holds of what is multiplied: 16 KiB, what every device has. */
const heldNumbers = 4096;
/** Workgroup memory is zeroed before a kernel begins, and its compiler may take long over that: no more is asked for than one of these. */
const heldSizes = [256, 1024, heldNumbers] as const;
/** Workgroups that are wanted before one takes more rows: about as many as large GPUs compute at a time. */
const wantedGroups = 128;

const sequenceNumbers = { ...fusedNumbers, steps: 'u32', groups: 'u32' } as const;
type SequenceKernel<Real extends string> = Kernel<
  Real,
  'lengths' | 'sequences',
  keyof typeof sequenceNumbers
>;

const list = (count: number) => Array.from({ length: count }, (_, i) => i);

/**
 * All time steps of a layer: a workgroup owns rows of the batch, which need nothing of each other, and so waits for itself alone between two steps. All
 * weights stream through it in each of them. Backwards it goes from the last step to the first.
 */
function sequenceKernel<Real extends string>(
  fused: FusedCell<Real>,
  rows: number,
  threads: number,
  size: number,
): SequenceKernel<Real> {
  const { blocks, sources, isForward, isHalf } = fused;
  const pace = isHalf ? 2 : 1;
  const sums = (i: number) => list(blocks).map((b) => `s${i}_${b}`);
  const at = (i: number, b: number, half: number) =>
    `held[(${i * sources}u + ${isForward ? 0 : b}u) * stride + k + ${half}u]`;
  return defineKernel({
    name: `${fused.name}, sequence in one, ${rows} rows, ${threads} threads, ${size} held`,
    reals: fused.reals,
    halves: isHalf ? (['weight'] as Real[]) : [],
    ints: ['lengths', 'sequences'],
    numbers: sequenceNumbers,
    code: `${fused.library}
var<workgroup> held: array<f32, ${size}>;
fn source(n: u32, k: u32) -> f32 {
  ${
    isForward
      ? `return ${isHalf ? 'to_half' : ''}(previous_hidden(n, cell_step * p.N + n, k));`
      : 'return behind(((cell_step + 1u) * p.N + n) * p.width + k);'
  }
}
@compute @workgroup_size(${threads}) fn main(${groupArguments}) {
  let index = ${groupIndex};
  if (index >= p.groups) { return; }
  let row0 = index * ${rows}u;
  // Pairs are whole: where units are an odd number, a zero stands behind the last.
  let stride = ${isHalf ? '(p.units + 1u) / 2u * 2u' : 'p.units'};
  let across = ${sources}u * stride;
  for (var done = 0u; done < p.steps; done++) {
    cell_step = ${isForward ? 'done' : 'p.steps - 1u - done'};
    inner_size = ${isForward ? 'p.units' : 'select(p.units, 0u, done == 0u)'};
    if (inner_size > 0u) {
      for (var e = lane; e < ${rows}u * across; e += ${threads}u) {
        let n = row0 + e / across;
        var value = 0.0;
        let k = e % stride;
        if (n < p.N && k < p.units) { value = source(n, (e % across) / stride * p.units + k); }
        held[e] = value;
      }
    }
    workgroupBarrier();
    for (var u = lane; u < p.units; u += ${threads}u) {
      ${list(rows)
        .map((i) =>
          sums(i)
            .map((sum) => `var ${sum} = 0.0;`)
            .join(' '),
        )
        .join('\n      ')}
      for (var k = 0u; k < inner_size; k += ${pace}u) {
      ${multiplyAdds(
        fused,
        rows,
        (b) => `weight(${fused.weightAt(b, `(k / ${pace}u)`, 'u')})`,
        at,
        (i, b) => `s${i}_${b}`,
      )}
      }
      ${finishRows(
        fused,
        rows,
        (i, b) => `s${i}_${b}`,
        (i) => `row0 + ${i}`,
      )}
    }
    // What this step wrote is read by other threads of the workgroup in the next.
    storageBarrier();
    workgroupBarrier();
  }
}`,
  });
}

/** Made when first wanted: few devices want all. */
const made = new Map<string, unknown>();

/** Whether a workgroup can hold a row of what such a layer multiplies. */
export function fitsSequence(fused: FusedCell, H: number): boolean {
  return heldOf(fused, H) <= heldNumbers;
}

/** Numbers that a row takes in a workgroup's memory. */
function heldOf({ sources, isHalf }: FusedCell, H: number): number {
  return sources * (isHalf ? 2 * Math.ceil(H / 2) : H);
}

/** The kernel for N rows of H units, its grid, and what it is told of it. Only where `fitsSequence`. */
export function fusedSequence<Real extends string>(fused: FusedCell<Real>, N: number, H: number) {
  let rows = 1;
  while (rows < 4 && N / rows > wantedGroups && 2 * rows * heldOf(fused, H) <= heldNumbers) rows *= 2;
  const threads = H <= 64 ? 64 : H <= 128 ? 128 : 256;
  const size = heldSizes.find((most) => rows * heldOf(fused, H) <= most)!;
  const key = `${fused.name} ${rows} ${threads} ${size}`;
  let kernel = made.get(key) as SequenceKernel<Real> | undefined;
  if (!kernel) made.set(key, (kernel = sequenceKernel(fused, rows, threads, size)));
  const groups = Math.ceil(N / rows);
  return { kernel, grid: gridOf(groups), numbers: { groups } };
}
