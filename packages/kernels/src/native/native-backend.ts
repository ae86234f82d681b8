import type { Backend, RecurrentLayer } from '../backend.ts';
import { checkLayer } from '../checks/layer.ts';
import type { Saved } from '../checks/recurrent.ts';
import { createEngine, expectNumber, type RealArray, sizeOf } from '../engine.ts';
import { pack, unpack } from '../reference/layout.ts';
import { shapeOfRole } from '../roles.ts';
import { createTensors, type HostArray, hostStorage } from '../tensors.ts';
import { loadAddon, type NativeEngine } from './addon.ts';
import { cellCode, layerOptions, roleCode } from './codes.ts';
import { createKernels } from './native-kernels.ts';
import { availableProcessors } from './processors.ts';

export interface NativeOptions {
  /** How many threads compute, the caller's included. Default: `availableProcessors()`. Results do not depend on it. */
  readonly threads?: number;
  /** `auto`: the fastest that this machine can run; else one of `nativeInstructionSets()`. */
  readonly instructionSet?: string;
  /**
   * float32, the default, or bf16: products round both operands to bfloat16, all else stays as it is. Faster where the processor has AVX512_BF16,
   * slower elsewhere, with the same numbers.
   */
  readonly precision?: 'float32' | 'bf16';
}

/** A backend that also tells what a benchmark wants to know. */
export interface NativeBackend extends Backend {
  readonly threads: number;
  /** Multiply-adds per second of a loop on registers alone, by all threads: what no kernel can exceed. Runs for some milliseconds. */
  measureCeiling(): number;
  /** Bytes per second at which one core reads `bytes` over and over: what generation of one stream cannot exceed. Runs for some milliseconds. */
  measureReading(bytes: number): number;
}

/** The instruction sets that the addon can use on this machine, the fastest first. Throws a `NativeUnavailableError` without the addon. */
export function nativeInstructionSets(): readonly string[] {
  return loadAddon().instructionSets;
}

/** Room for a forward pass, in the layout of the engine's instruction set. */
function createSaved(
  native: NativeEngine,
  allocate: (count: number) => RealArray,
  layer: RecurrentLayer,
  steps: number,
  sequences: number,
): Omit<Saved, 'engine'> {
  for (const [count, label] of [
    [steps, 'steps'],
    [sequences, 'sequences'],
  ] as const)
    expectNumber(count, `${label} to save`, Number.isSafeInteger(count) && count >= 0, 'a whole number');
  checkLayer(layer);
  const cell = cellCode(layer);
  return {
    layer,
    steps,
    sequences,
    gates: allocate(steps * sequences * native.gateColumns(cell, layer.hiddenSize)),
    cells: allocate((steps + 1) * sequences * native.cellColumns(cell, layer.hiddenSize)),
    first: allocate(sequences * layer.hiddenSize),
    normalized: allocate(native.extraSize(cell, steps, sequences, layer.hiddenSize, layerOptions(layer))),
    inverses: allocate(0),
    pass: null,
    released: false,
  };
}

/**
 * The native engine: C++ kernels on vectors and threads. Calls run at once on the caller's thread, helped by threads of the engine's own,
 * and have ended when they return: training has a thread of its own, where nothing else would run meanwhile. Throws a
 * `NativeUnavailableError` where the addon cannot be loaded, a `RangeError` for an instruction set that this machine has not.
 */
export function createNative({
  threads = availableProcessors(),
  instructionSet = 'auto',
  precision = 'float32',
}: NativeOptions = {}): NativeBackend {
  expectNumber(
    threads,
    'threads',
    Number.isInteger(threads) && threads >= 1 && threads <= 256,
    'a whole number from 1 to 256',
  );
  if (precision !== 'float32' && precision !== 'bf16')
    throw new RangeError(
      `Expected "float32" or "bf16" for the precision but received ${JSON.stringify(precision)}.`,
    );
  const addon = loadAddon();
  const native = new addon.Engine(instructionSet, threads, precision === 'bf16');
  const engine = createEngine(precision);
  const nothing = new Float32Array(0);

  function allocate(type: 'real' | 'int' | 'double', count: number): HostArray {
    // An empty buffer has no memory that could be given back.
    if (count === 0)
      return type === 'real' ? nothing : type === 'int' ? new Int32Array(0) : new Float64Array(0);
    if (type === 'double') return new Float64Array(addon.allocate(8 * count));
    const buffer = addon.allocate(4 * count);
    return type === 'real' ? new Float32Array(buffer) : new Int32Array(buffer);
  }

  const storage = hostStorage({
    real: Float32Array,
    allocate,
    free(array) {
      if (array.length > 0) addon.release(array.buffer);
    },
    packedSize(role) {
      const code = roleCode(role);
      return code ? native.packedSize(...code) : sizeOf(shapeOfRole(role));
    },
    pack(role, values, packed) {
      const code = roleCode(role);
      const plain = values instanceof Float32Array ? values : Float32Array.from(values);
      if (code) native.pack(...code, plain, packed as Float32Array);
      else pack(role, values, packed);
    },
    unpack(role, packed, values) {
      const code = roleCode(role);
      if (code) native.unpack(...code, packed as Float32Array, values as Float32Array);
      else unpack(role, packed, values);
    },
  });
  const tensors = createTensors(engine, storage);

  function measureCeiling(): number {
    const start = performance.now();
    const done = native.ceiling(2_000_000);
    return (1000 * done) / (performance.now() - start);
  }

  function measureReading(bytes: number): number {
    const count = Math.max(1024, Math.ceil(bytes / 4));
    const passes = Math.ceil(2 ** 23 / count);
    // What was read by something else before is fetched once beforehand.
    native.reading(count, 1);
    const start = performance.now();
    native.reading(count, passes);
    return (4000 * count * passes) / (performance.now() - start);
  }

  return {
    threads,
    measureCeiling,
    measureReading,
    describe: () => ({
      name: 'native',
      engine: `native-${native.instructionSet}-${precision}`,
      device: 'cpu',
      precision,
      emulated: precision === 'bf16' && !native.dotInstruction,
    }),
    createTensor: tensors.createTensor,
    createParameter: tensors.createParameter,
    like: tensors.like,
    createSaved(layer, steps, sequences) {
      const room = (count: number) => allocate('real', count) as RealArray;
      return tensors.keep({ engine, ...createSaved(native, room, layer, steps, sequences) });
    },
    view: tensors.view,
    release: tensors.release,
    upload: tensors.upload,
    download: tensors.download,
    synchronize: async () => {},
    close: tensors.releaseAll,
    ...createKernels(engine, native, tensors),
  };
}
