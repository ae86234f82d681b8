import type { GradientSet, Network } from '../../model/network.ts';

/** Of every trained parameter, by its name. */
export const gradientNorms = async (
  { backend, table }: Network,
  gradients: GradientSet,
): Promise<Record<string, number | null>> => {
  const norms: Record<string, number | null> = {};
  const norm = backend.createTensor([1], 'double');
  for (const [k, { name }] of table.entries()) {
    const gradient = gradients.all[k];
    if (!gradient) continue;
    backend.globalNorm({ tensors: [gradient], norm });
    norms[name] = (await backend.download(norm))[0]!;
  }
  backend.release(norm);
  return norms;
};
