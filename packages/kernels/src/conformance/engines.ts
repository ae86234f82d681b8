import type { Backend } from '../backend.ts';
import { createBackend } from '../create-backend.ts';
import { NativeUnavailableError } from '../native/addon.ts';
import { createNative, nativeInstructionSets } from '../native/native-backend.ts';
import { createReference } from '../reference/reference-backend.ts';
import { tfjsFlavour } from '../tfjs/installed.ts';
import { createWebgpu } from '../webgpu/webgpu-backend.ts';
import { openWebgpu } from './software-gpu.ts';

export interface EngineUnderTest {
  readonly name: string;
  readonly precision: 'float32' | 'bf16';
  /** A call costs so much here that each kernel is shown at few shapes. */
  readonly isSlow?: boolean;
  /** false: rows, chunks and single steps need not have the same bits wherever they stand, and are not compared. */
  readonly hasRowBits?: boolean;
  create(): Promise<Backend>;
}

/** The native engine on every instruction set that this machine can run; none where it was not built. `native-backend.test.ts` shows that the number of threads changes no bit. */
function nativeEngines(): EngineUnderTest[] {
  let sets: readonly string[];
  try {
    sets = nativeInstructionSets();
  } catch (error) {
    if (error instanceof NativeUnavailableError) return [];
    throw error;
  }
  return sets.flatMap((instructionSet) =>
    (['float32', 'bf16'] as const).map((precision) => ({
      name: `native, ${instructionSet}, ${precision}`,
      precision,
      create: async () => createNative({ instructionSet, threads: 2, precision }),
    })),
  );
}

/** The engine for GPUs, where this machine has one or SwiftShader; `webgpu-backend.test.ts` says so where it has not. */
async function webgpuEngines(): Promise<EngineUnderTest[]> {
  const backend = await openWebgpu();
  backend?.close();
  return backend
    ? [{ name: 'webgpu', precision: 'float32', isSlow: backend.isSoftware, create: createWebgpu }]
    : [];
}

/** Every engine that must conform. A new one is added here and nowhere else. */
export const engines: readonly EngineUnderTest[] = [
  { name: 'reference', precision: 'float32', create: async () => createReference() },
  {
    name: 'reference, bf16',
    precision: 'bf16',
    create: async () => createReference({ precision: 'bf16' }),
  },
  ...nativeEngines(),
  {
    name: 'tfjs',
    precision: 'float32',
    isSlow: true,
    // It promises no bits. Its WebAssembly has them all the same; TensorFlow's library is not asked for them.
    hasRowBits: tfjsFlavour() === 'wasm',
    create: () => createBackend('tfjs'),
  },
  ...(await webgpuEngines()),
];

/**
 * What the engines are held against: the same formulas in double precision, themselves held against finite differences. For bf16 it is the
 * reference's own bf16, which differs in the rounding of products' operands alone.
 */
export function createTruth(precision: EngineUnderTest['precision'] = 'float32'): Backend {
  return createReference({ precision: precision === 'bf16' ? 'bf16' : 'float64' });
}

/** What the truth makes of a case, worked out when the first engine of a precision asks and kept for the others. */
export function createTruths<Case, Result>(
  workOut: (truth: Backend, of: Case) => Promise<Result>,
): (precision: EngineUnderTest['precision'], of: Case) => Promise<Result> {
  const known = { float32: new Map<Case, Promise<Result>>(), bf16: new Map<Case, Promise<Result>>() };
  return (precision, of) => {
    const before = known[precision].get(of);
    if (before) return before;
    const truth = createTruth(precision);
    const result = workOut(truth, of).finally(() => truth.close());
    known[precision].set(of, result);
    return result;
  };
}
