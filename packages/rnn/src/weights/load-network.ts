import { UnfoldError } from '@unfold/contracts/values';
import type { Backend } from '@unfold/kernels';
import { createNetwork, type Network, releaseNetwork, upload } from '../model/network.ts';
import { type DescribedWeights, describeWeights, type WeightLimits } from './inspect.ts';
import { readTensor } from './safetensors.ts';

const uploadWeights = (network: Network, bytes: Uint8Array, { header, spec }: DescribedWeights): void => {
  const tensors = network.table.map(({ name }, k) => ({ name, tensor: network.parameters.all[k]! }));
  for (const { name, tensor } of [...tensors, ...network.buffers]) {
    const values = readTensor(bytes, header, name, Float64Array);
    if (!values.every(Number.isFinite))
      throw new UnfoldError('invalid_weights', `Tensor "${name}" holds NaN or infinite numbers.`);
    upload(network.backend, tensor, values);
  }
  if (!spec.model.tie_weights || !header.tensors.has('decoder.weight')) return;
  const encoder = readTensor(bytes, header, 'encoder.weight', Float64Array);
  const decoder = readTensor(bytes, header, 'decoder.weight', Float64Array);
  if (!encoder.every((value, k) => value === decoder[k]))
    throw new UnfoldError(
      'invalid_weights',
      'The spec ties "decoder.weight" to "encoder.weight", but they differ.',
    );
};

/**
 * A network with the weights of an export or a checkpoint; the caller releases it.
 * @throws UnfoldError `invalid_weights`, `limit_exceeded`
 */
export const loadNetwork = (
  weights: Uint8Array,
  backend: Backend,
  limits: WeightLimits = {},
): { described: DescribedWeights; network: Network } => {
  const described = describeWeights(weights, { headerBytes: weights.length, ...limits });
  const network = createNetwork(backend, described.spec.model, described.shape);
  try {
    uploadWeights(network, weights, described);
  } catch (error) {
    releaseNetwork(network);
    throw error;
  }
  return { described, network };
};
