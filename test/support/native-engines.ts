import { type Backend, createNative, NativeUnavailableError, nativeInstructionSets } from '@unfold/kernels';

/** The native engine on every instruction set that this machine can run; none where the addon was not built. */
export function nativeEngines(): { name: string; create: () => Backend }[] {
  try {
    return nativeInstructionSets().map((instructionSet) => ({
      name: `native ${instructionSet}`,
      create: () => createNative({ instructionSet, threads: 2 }),
    }));
  } catch (error) {
    if (error instanceof NativeUnavailableError) return [];
    throw error;
  }
}
