import { type FusedCell, finishRows, fusedNumbers, multiplyAdds } from './fused-cells.ts';
import { gridOf, groupArguments, groupIndex } from './grid.ts';
import { defineKernel, type Kernel } from './kernel.ts';

/** What a workgroup makes of a step: rows of the batch × units. Neighbouring threads have neighbouring units. */
interface Tile {
  readonly rows: number;
  readonly units: number;
  /** Rows of a thread. */
  readonly threadRows: number;
}

/** Few rows and units keep more workgroups busy; many read each weight for more rows. */
const tiles = {
  small: { rows: 16, units: 16, threadRows: 2 },
  large: { rows: 16, units: 32, threadRows: 4 },
} as const satisfies Record<string, Tile>;
/** Up to this many states of a step the small tile is taken. */
const smallStates = 2 ** 16;
/** Numbers of a row that are held at a time, about. */
const heldOfRow = 32;

const stepNumbers = { ...fusedNumbers, inner: 'u32', across: 'u32', tiles: 'u32' } as const;
type StepKernel<Real extends string> = Kernel<Real, 'lengths' | 'sequences', keyof typeof stepNumbers>;

const list = (count: number) => Array.from({ length: count }, (_, i) => i);

/**
 * One time step of a layer: rows of what is multiplied go through workgroup memory, weights come through the cache, and each thread makes the cells of
 * its unit from the sums that it has in registers; where H is odd, the last pair in half precision has zeros behind it. `inner`: H, or 0 where no step lies behind, so that nothing is multiplied.
 */
function stepKernel<Real extends string>(
  fused: FusedCell<Real>,
  size: string,
  { rows, units, threadRows }: Tile,
): StepKernel<Real> {
  const { blocks, sources, isForward, isHalf } = fused;
  const pace = isHalf ? 2 : 1;
  const depth = Math.floor(heldOfRow / sources);
  const down = rows / threadRows;
  const threads = down * units;
  const stride = rows + 1;
  const own = list(threadRows);
  const sums = (i: number) => list(blocks).map((b) => `s${i}_${b}`);
  const left = (i: number, b: number, half: number) => `a${i}_${isForward ? 0 : b}_${half}`;
  const operand = isForward
    ? 'previous((row0 + r) * p.units + k0 + kk)'
    : 'behind((row0 + r) * p.width + source * p.units + k0 + kk)';
  return defineKernel({
    name: `${fused.name}, step in one, ${size} tiles`,
    reals: fused.reals,
    halves: isHalf ? (['weight'] as Real[]) : [],
    ints: ['lengths', 'sequences'],
    numbers: stepNumbers,
    code: `${fused.library}
var<workgroup> tile: array<f32, ${sources * depth * stride}>;
@compute @workgroup_size(${threads}) fn main(${groupArguments}) {
  let index = ${groupIndex};
  if (index >= p.tiles) { return; }
  let row0 = (index / p.across) * ${rows}u;
  let y = lane / ${units}u;
  let u = (index % p.across) * ${units}u + lane % ${units}u;
  // Threads beyond the last unit compute that one too, and do not write it.
  let read = min(u, p.units - 1u);
  inner_size = p.inner;
  ${own
    .map((i) =>
      sums(i)
        .map((sum) => `var ${sum} = 0.0;`)
        .join(' '),
    )
    .join('\n  ')}
  for (var k0 = 0u; k0 < p.inner; k0 += ${depth}u) {
    let held = min(${depth}u, p.inner - k0);
    for (var e = lane; e < ${sources * rows * depth}u; e += ${threads}u) {
      let kk = e % ${depth}u;
      let r = (e / ${depth}u) % ${rows}u;
      let source = e / ${rows * depth}u;
      var value = 0.0;
      if (row0 + r < p.N && kk < held) { value = ${isForward && isHalf ? `to_half(${operand})` : operand}; }
      tile[(source * ${depth}u + kk) * ${stride}u + r] = value;
    }
    workgroupBarrier();
    for (var kk = 0u; kk < held; kk += ${pace}u) {
      ${own
        .flatMap((i) =>
          list(sources).flatMap((b) =>
            list(pace).map(
              (half) =>
                `let a${i}_${b}_${half} = tile[(${b * depth + half}u + kk) * ${stride}u + y + ${i * down}u];`,
            ),
          ),
        )
        .join('\n      ')}
      ${multiplyAdds(
        fused,
        threadRows,
        (b) => `weight(${fused.weightAt(b, `((k0 + kk) / ${pace}u)`, 'read')})`,
        left,
        (i, b) => `s${i}_${b}`,
      )}
    }
    workgroupBarrier();
  }
  if (u >= p.units) { return; }
  ${finishRows(
    fused,
    threadRows,
    (i, b) => `s${i}_${b}`,
    (i) => `row0 + y + ${i} * ${down}u`,
  )}
}`,
  });
}

/** Made when first wanted: few devices want all. */
const made = new Map<string, unknown>();

/** The kernel for a step of N rows of H units, its grid, and what it is told of it. */
export function fusedStep<Real extends string>(fused: FusedCell<Real>, N: number, H: number) {
  const size = N * H <= smallStates ? 'small' : 'large';
  const key = `${fused.name} ${size}`;
  let kernel = made.get(key) as StepKernel<Real> | undefined;
  if (!kernel) made.set(key, (kernel = stepKernel(fused, size, tiles[size])));
  const across = Math.ceil(H / tiles[size].units);
  const count = Math.ceil(N / tiles[size].rows) * across;
  return { kernel, grid: gridOf(count), numbers: { across, tiles: count } };
}
