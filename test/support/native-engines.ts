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

/**
 * The native engine as it is chosen here, for tests of what is made of kernels: that kernels agree on every instruction set is shown by theirs.
 * None where the addon was not built.
 */
export function chosenNativeEngine(): { name: string; create: (threads?: number) => Backend }[] {
  if (nativeEngines().length === 0) return [];
  return [{ name: 'native', create: (threads = 2) => createNative({ threads }) }];
}
