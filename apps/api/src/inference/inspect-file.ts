import { UnfoldError } from '@unfold/contracts';
import { inspectWeights } from '@unfold/rnn';
import { readVerified } from './loaded-models.ts';
import type { InspectedWeights, InspectLimits } from './protocol.ts';

/** Validates an uploaded safetensors file: header first, then hash and contents. */
export const inspectFile = async (
  file: { path: string; sha256: string; bytes: number },
  limits: InspectLimits,
): Promise<InspectedWeights> => {
  const bytes = await readVerified(file);
  const found = inspectWeights(bytes, { headerBytes: limits.header_bytes, parameters: limits.parameters });
  if (found.parameters > limits.parameters)
    throw new UnfoldError(
      'limit_exceeded',
      `file: expected a model of at most ${limits.parameters} parameters, but it has ${found.parameters}.`,
      { param: 'file' },
    );
  return { spec: found.spec, parameters: found.parameters, vocabulary_size: found.vocabulary_size };
};
