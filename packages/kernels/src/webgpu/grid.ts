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
  ints = [],
  numbers = {} as Record<Num, 'u32'>,
  library = '',
  body,
}: {
  name: string;
  reals: readonly Real[];
  ints?: readonly Int[];
  numbers?: Readonly<Record<Num, 'u32' | 'i32' | 'f32'>>;
  library?: string;
  body: string;
}): Kernel<Real, Int, Num | 'count'> {
  return defineKernel({
    name,
    reals,
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

/** WGSL: `tree_sum(value, lane)`, the sum over the workgroup's lanes in an order that their number alone decides; every lane gets it. */
export function treeSum(lanes: number): string {
  return `
var<workgroup> tree: array<f32, ${lanes}>;
fn tree_sum(value: f32, lane: u32) -> f32 {
  workgroupBarrier();
  tree[lane] = value;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { tree[lane] += tree[lane + half]; }
  }
  workgroupBarrier();
  return workgroupUniformLoad(&tree[0]);
}`;
}
