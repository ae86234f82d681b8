import type { Backend } from '../backend.ts';
import type { Feature } from '../features.ts';
import { NativeUnavailableError } from '../native/addon.ts';
import { missingFeatures } from '../native/missing.ts';
import { createNative, nativeInstructionSets } from '../native/native-backend.ts';
import { createReference } from '../reference/reference-backend.ts';

export interface EngineUnderTest {
  readonly name: string;
  /** Options that it does not have yet, and is held to refusing. */
  readonly lacks: ReadonlySet<Feature>;
  create(): Promise<Backend>;
}

/** The native engine on every instruction set that this machine can run, with one thread and with two; none where it was not built. */
function nativeEngines(): EngineUnderTest[] {
  let sets: readonly string[];
  try {
    sets = nativeInstructionSets();
  } catch (error) {
    if (error instanceof NativeUnavailableError) return [];
    throw error;
  }
  return sets.flatMap((instructionSet) =>
    [1, 2].map((threads) => ({
      name: `native, ${instructionSet}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
      lacks: missingFeatures,
      create: async () => createNative({ instructionSet, threads }),
    })),
  );
}

/** Every engine that must conform. A new one is added here and nowhere else. */
export const engines: readonly EngineUnderTest[] = [
  { name: 'reference', lacks: new Set(), create: async () => createReference() },
  ...nativeEngines(),
];

/** What the engines are held against: the same formulas in double precision, themselves held against finite differences. */
export function createTruth(): Backend {
  return createReference({ precision: 'float64' });
}
