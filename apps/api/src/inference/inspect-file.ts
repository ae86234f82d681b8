import { UnfoldError } from '@unfold/contracts';
import { inspectWeights, readHeader, readTensor } from '@unfold/rnn';
import { readVerified } from './loaded-models.ts';
import type { InspectedWeights, InspectLimits } from './protocol.ts';

/** Weights that hold NaN or infinity would pass for a model and fail whoever calls it. */
const requireFinite = (bytes: Uint8Array, headerBytes: number): void => {
  const header = readHeader(bytes, { headerBytes });
  for (const name of header.tensors.keys())
    if (!readTensor(bytes, header, name, Float64Array).every(Number.isFinite))
      throw new UnfoldError(
        'invalid_weights',
        `Tensor "${name}" holds NaN or infinite numbers: expected finite ones.`,
        { param: 'file' },
      );
};

/** Validates an uploaded safetensors file: its hash, header and description, then every number. */
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
  requireFinite(bytes, limits.header_bytes);
  return { spec: found.spec, parameters: found.parameters, vocabulary_size: found.vocabulary_size };
};
