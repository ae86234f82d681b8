import type { Tensor } from '@unfold/kernels';
import type { HostBatch } from '../../data/feed.ts';
import { type Network, upload } from '../../model/network.ts';
import type { Port } from '../../model/network-shape.ts';
import { gateNames, gradientsThroughTime } from './gradients-through-time.ts';
import { saturationOf } from './saturation.ts';
import { spectralRadius } from './spectral-radius.ts';

/** Time steps and sequences that are looked at, which bounds the cost whatever the batch. */
const mostSteps = 256;
const mostSequences = 8;
/** Beyond this the spectral radius of a gate is not measured: its products would take longer than many steps of training. */
const mostUnits = 1024;

export interface Diagnostic {
  name: 'gradients_through_time' | 'spectral_radius' | 'saturation' | 'gradient_norms';
  data: unknown;
}

const spectralRadii = async ({ backend, layers, parameters }: Network): Promise<unknown> => {
  const found = layers.map(async ({ cell, hiddenSize: H }, layer) => {
    const { weightHh } = parameters.recurrent[layer]!;
    if (weightHh === null || H > mostUnits) return { layer, gates: null };
    const values = Float64Array.from(await backend.download(weightHh));
    const gates: Record<string, number | null> = {};
    for (const [k, gate] of gateNames[cell].entries())
      gates[gate] = await spectralRadius(backend, values.subarray(k * H * H, (k + 1) * H * H), H);
    return { layer, gates };
  });
  return { layers: await Promise.all(found) };
};

/**
 * What a network's states and weights look like at this moment, on the first sequences and time steps of a batch, from zero states and
 * without dropout. Reads parameters and changes nothing.
 * @param batch time-major [T,N] tokens or [T,N,C] vectors and targets of the present step
 */
export const diagnose = async (
  network: Network,
  batch: Pick<HostBatch, 'inputs' | 'targets' | 'steps'> & { lanes: number },
): Promise<Diagnostic[]> => {
  const { backend, shape } = network;
  const T = Math.min(mostSteps, batch.steps);
  const N = Math.min(mostSequences, batch.lanes);
  /** Steps first … T − 1 of the first lanes, on the backend. */
  const place = (port: Port, values: HostBatch['inputs'], first: number): Tensor => {
    const width = port.kind === 'tokens' ? 1 : port.size;
    const rows = (T - first) * N;
    const cut = new (values.constructor as Float32ArrayConstructor)(rows * width);
    for (let row = 0; row < rows; row++) {
      const from = ((first + Math.floor(row / N)) * batch.lanes + (row % N)) * width;
      cut.set(values.subarray(from, from + width), row * width);
    }
    if (port.kind === 'tokens') {
      const tensor = backend.createTensor([T - first, N], 'int');
      backend.upload(tensor, cut);
      return tensor;
    }
    const tensor = backend.createTensor([T - first, N, width]);
    upload(backend, tensor, cut);
    return tensor;
  };
  const inputs = place(shape.input, batch.inputs, 0);
  const targets = place(shape.output, batch.targets, T - 1);
  try {
    const saturation: unknown[] = [];
    const gradients = await gradientsThroughTime(network, inputs, targets, async (layer, input, outputs) => {
      saturation.push({ layer, gates: await saturationOf(network, layer, input, outputs) });
    });
    return [
      { name: 'gradients_through_time', data: { layers: gradients } },
      { name: 'spectral_radius', data: await spectralRadii(network) },
      { name: 'saturation', data: { layers: saturation } },
    ];
  } finally {
    backend.release(inputs, targets);
  }
};
