import { half } from './half.ts';
import type { Place } from './place.ts';

type Scalar = 'u32' | 'i32' | 'f32';
type Names<T extends string> = readonly T[];

/**
 * A kernel in WGSL. Its operands are places in the backend's heaps: for each of `reals` the code has `x(i)` and `set_x(i, value)`, for each of `ints`
 * `x(i)`, i being an element of that operand, and for each optional one `has_x()`. Those of `halves` are reals too, but each element is a pair of numbers in half
 * precision: `x(i)` is a vec2f, and it is `set_x(i, low, high)`. Numbers stand in `p`, as `p.name`.
 */
export interface Kernel<
  Real extends string = string,
  Int extends string = string,
  Number extends string = string,
> {
  /** Unique: pipelines are kept by it. */
  readonly name: string;
  readonly reals: Names<Real>;
  readonly halves: Names<Real>;
  readonly ints: Names<Int>;
  readonly numbers: Readonly<Record<Number, Scalar>>;
  /** What WGSL has to be told to enable for it. */
  readonly extensions: readonly string[];
  /** Functions of the library that it calls, then its entry point `main`; by whether the device has subgroups where that changes it, see `reducing`. */
  readonly code: string | ((hasSubgroups: boolean) => string);
  /** Which word of the parameters each thing is. */
  readonly words: ReadonlyMap<string, { readonly at: number; readonly type: Scalar }>;
}

export interface Arguments<Real extends string, Int extends string, Number extends string> {
  /** null: not there. */
  readonly reals: Readonly<Record<Real, Place | null>>;
  readonly ints: Readonly<Record<Int, Int32Array | null>>;
  readonly numbers: Readonly<Record<Number, number>>;
}

/** What stands for an operand that is not there; no place begins here. */
export const absent = 0xffffffff;
/** Words of parameters that a dispatch has room for. */
export const parameterWords = 64;

export function defineKernel<Real extends string, Int extends string, Number extends string>({
  name,
  reals,
  halves = [],
  ints,
  numbers,
  extensions = [],
  code,
}: {
  name: string;
  reals: Names<Real>;
  halves?: Names<Real>;
  ints: Names<Int>;
  numbers: Readonly<Record<Number, Scalar>>;
  extensions?: readonly string[];
  code: Kernel['code'];
}): Kernel<Real, Int, Number> {
  const fields: [string, Scalar][] = [
    ...[...reals, ...ints].map((operand): [string, Scalar] => [operand, 'u32']),
    ...(Object.entries(numbers) as [string, Scalar][]),
  ];
  if (fields.length > parameterWords) throw new RangeError(`Expected at most ${parameterWords} for ${name}.`);
  const words = new Map(fields.map(([field, type], at) => [field, { at, type }]));
  return { name, reals, halves, ints, numbers, extensions, code, words };
}

/** A kernel compiled for operands that stand in certain heaps. */
export interface Pipeline {
  readonly compute: GPUComputePipeline;
  /** The heaps that are bound. */
  readonly heaps: readonly number[];
  readonly layout: GPUBindGroupLayout;
  /** Same string, same layout. */
  readonly key: string;
}

/** What compiles kernels, and keeps them. */
export interface Compiler {
  readonly gpu: GPUDevice;
  readonly pipelines: Map<Kernel, Map<number, Pipeline>>;
  /** Calls `body`, and notes what the device has to say about it. */
  guarded<T>(body: () => T): T;
}

export const bindings = { integers: 14, parameters: 15 } as const;

function accessors(kernel: Kernel, heapOf: (operand: string) => number): string {
  const reals = kernel.reals.map((name) => {
    const element = `heap${heapOf(name)}[p.${name} + i]`;
    const access = kernel.halves.includes(name)
      ? `fn ${name}(i: u32) -> vec2f { return unpack2x16float(${element}); }
fn set_${name}(i: u32, low: f32, high: f32) { ${element} = half_bits(low) | (half_bits(high) << 16u); }`
      : kernel.halves.length > 0
        ? `fn ${name}(i: u32) -> f32 { return bitcast<f32>(${element}); }
fn set_${name}(i: u32, value: f32) { ${element} = bitcast<u32>(value); }`
        : `fn ${name}(i: u32) -> f32 { return ${element}; }
fn set_${name}(i: u32, value: f32) { ${element} = value; }`;
    return `${access}
fn has_${name}() -> bool { return p.${name} != ${absent}u; }`;
  });
  const ints = kernel.ints.map(
    (name) => `fn ${name}(i: u32) -> i32 { return integers[p.${name} + i]; }
fn has_${name}() -> bool { return p.${name} != ${absent}u; }`,
  );
  return [...reals, ...ints].join('\n');
}

function compile(
  { gpu }: Compiler,
  kernel: Kernel,
  operandHeaps: readonly number[],
  hasSubgroups: boolean,
): Pipeline {
  const heaps = [...new Set(operandHeaps)].sort((a, b) => a - b);
  const hasIntegers = kernel.ints.length > 0;
  const isReducing = typeof kernel.code === 'function';
  const extensions = [...kernel.extensions, ...(hasSubgroups && isReducing ? ['subgroups'] : [])];
  // As words, pairs in half precision come through unchanged: as numbers they may count as denormals or NaN.
  const element = kernel.halves.length > 0 ? 'u32' : 'f32';
  const code = `${extensions.map((name) => `enable ${name};`).join(' ')}
struct Parameters { ${[...kernel.words].map(([name, { type }]) => `${name}: ${type}`).join(', ')} }
@group(0) @binding(${bindings.parameters}) var<uniform> p: Parameters;
${heaps.map((heap) => `@group(0) @binding(${heap}) var<storage, read_write> heap${heap}: array<${element}>;`).join('\n')}
${hasIntegers ? `@group(0) @binding(${bindings.integers}) var<storage, read> integers: array<i32>;` : ''}
${half}
${accessors(kernel, (operand) => operandHeaps[kernel.reals.indexOf(operand)]!)}
${typeof kernel.code === 'function' ? kernel.code(hasSubgroups) : kernel.code}`;
  const visibility = 4; // GPUShaderStage.COMPUTE
  const layout = gpu.createBindGroupLayout({
    entries: [
      ...heaps.map((binding) => ({ binding, visibility, buffer: { type: 'storage' } as const })),
      ...(hasIntegers
        ? [{ binding: bindings.integers, visibility, buffer: { type: 'read-only-storage' } as const }]
        : []),
      {
        binding: bindings.parameters,
        visibility,
        buffer: { type: 'uniform', hasDynamicOffset: true } as const,
      },
    ],
  });
  const compute = gpu.createComputePipeline({
    label: kernel.name,
    layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: gpu.createShaderModule({ label: kernel.name, code }), entryPoint: 'main' },
  });
  return { compute, heaps, layout, key: `${heaps.join()}${hasIntegers ? ' i' : ''}` };
}

/** The kernel for operands in these places, compiled once for each distribution over heaps. An operand that is not there counts as one of the first heap. @param hasSubgroups whether it may use the device's */
export function pipelineFor<Real extends string, Int extends string, Number extends string>(
  device: Compiler,
  kernel: Kernel<Real, Int, Number>,
  reals: Readonly<Record<Real, Place | null>>,
  hasSubgroups: boolean,
): Pipeline {
  let variants = device.pipelines.get(kernel as Kernel);
  if (!variants) device.pipelines.set(kernel as Kernel, (variants = new Map()));
  // Heaps are few: digits of a number say which operand is where.
  let places = Number(hasSubgroups);
  for (const name of kernel.reals) places = places * 8 + (reals[name]?.heap ?? 0);
  const present = variants.get(places);
  if (present) return present;
  const heaps = kernel.reals.map((name) => reals[name]?.heap ?? 0);
  const pipeline = device.guarded(() => compile(device, kernel as Kernel, heaps, hasSubgroups));
  variants.set(places, pipeline);
  return pipeline;
}
