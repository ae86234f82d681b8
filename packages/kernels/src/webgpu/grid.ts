import { defineKernel, type Kernel } from './kernel.ts';

/** Elements that a workgroup of an elementwise kernel takes. */
const groupSize = 256;
const mostGroups = 65535;

/** Workgroups for `count` of them in all, laid out within a device's limits; `group_index` finds back. */
export function gridOf(count: number): [number, number] {
  const x = Math.min(count, mostGroups);
  return x === 0 ? [0, 0] : [x, Math.ceil(count / x)];
}

/** Workgroups of an elementwise kernel. */
export function gridFor(elements: number): [number, number] {
  return gridOf(Math.ceil(elements / groupSize));
}

/** WGSL: the entry point's arguments, and which workgroup this is, for grids of `gridOf`. */
export const groupArguments = `@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32`;
export const groupIndex = `(group.y * grid.x + group.x)`;

/** A kernel that computes each element i below `p.count` by itself. */
export function elementwise<Real extends string, Int extends string = never, Num extends string = never>({
  name,
  reals,
  halves = [],
  ints = [],
  numbers = {} as Record<Num, 'u32'>,
  library = '',
  body,
}: {
  name: string;
  reals: readonly Real[];
  halves?: readonly Real[];
  ints?: readonly Int[];
  numbers?: Readonly<Record<Num, 'u32' | 'i32' | 'f32'>>;
  library?: string;
  body: string;
}): Kernel<Real, Int, Num | 'count'> {
  return defineKernel({
    name,
    reals,
    halves,
    ints,
    numbers: { ...numbers, count: 'u32' } as Record<Num | 'count', 'u32' | 'i32' | 'f32'>,
    code: `${library}
@compute @workgroup_size(${groupSize}) fn main(${groupArguments}) {
  let i = ${groupIndex} * ${groupSize}u + lane;
  if (i >= p.count) { return; }
  ${body}
}`,
  });
}

/** Adds and compares in pairs, in an order that the number of lanes alone decides. */
function reduceByTree(lanes: number): string {
  const pairwise = (name: string, pair: string) => `
fn ${name}(value: f32, lane: u32) -> f32 {
  workgroupBarrier();
  reduced[lane] = value;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { ${pair} }
  }
  workgroupBarrier();
  return workgroupUniformLoad(&reduced[0]);
}`;
  return (
    pairwise('sum_of', 'reduced[lane] += reduced[lane + half];') +
    pairwise('largest_of', 'reduced[lane] = max(reduced[lane], reduced[lane + half]);')
  );
}

/** Each subgroup by itself, then their results from the first to the last, of whatever size they are: two barriers in all. */
function reduceBySubgroups(): string {
  const bySubgroup = (name: string, within: string, combine: string) => `
fn ${name}(value: f32, lane: u32) -> f32 {
  let own = ${within}(value);
  workgroupBarrier();
  if (subgroupElect()) { reduced[own_subgroup] = own; }
  workgroupBarrier();
  var all = reduced[0];
  for (var i = 1u; i < subgroup_count; i++) { all = ${combine}; }
  return all;
}`;
  return `
var<private> own_subgroup: u32;
var<private> subgroup_count: u32;
${bySubgroup('sum_of', 'subgroupAdd', 'all + reduced[i]')}
${bySubgroup('largest_of', 'subgroupMax', 'max(all, reduced[i])')}`;
}

/**
 * WGSL of a kernel whose workgroups have so many lanes, for devices with subgroups and without: `body` of its entry point may call `sum_of(value, lane)` and
 * `largest_of(value, lane)`, in uniform control flow alone; every lane gets the result. A sum's order depends on the lanes and on the
 * device's subgroups, never on anything else; the largest of numbers and NaN is any of them.
 */
export function reducing(lanes: number, library: string, body: string): (hasSubgroups: boolean) => string {
  return (hasSubgroups) => `${library}
var<workgroup> reduced: array<f32, ${lanes}>;
${hasSubgroups ? reduceBySubgroups() : reduceByTree(lanes)}
@compute @workgroup_size(${lanes}) fn main(${groupArguments}${
    hasSubgroups ? ', @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32' : ''
  }) {
  ${hasSubgroups ? 'own_subgroup = subgroup; subgroup_count = subgroups;' : ''}
  ${body}
}`;
}
