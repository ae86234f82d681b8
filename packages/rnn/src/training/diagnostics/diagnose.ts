import type { HostBatch } from '../../data/feed.ts';
import type { Network } from '../../model/network.ts';
import { directionsOf } from '../../model/parameter-table.ts';
import { BatchTensors } from '../batch-tensors.ts';
import { columnsOf, lastTarget } from './batch-columns.ts';
import { gateNames, gradientsThroughTime, type LayerGradients } from './gradients-through-time.ts';
import { type Saturation, saturationOf } from './saturation.ts';
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

/** Whether time can be taken apart step by step: no batch statistics, nothing fed back, and one direction with states. */
const isPlain = ({ layers, model, shape }: Network): boolean =>
  !model.bidirectional &&
  shape.feedback === null &&
  layers.every(({ norm, recurrent }) => norm !== 'batch' && recurrent !== false);

const spectralRadii = async ({ backend, layers, parameters, model }: Network): Promise<unknown> => {
  const directions = directionsOf(model).length;
  const found = layers.map(async ({ cell, hiddenSize: H }, place) => {
    const layer = {
      layer: Math.floor(place / directions),
      ...(directions > 1 && { direction: place % directions ? 'reverse' : 'forward' }),
    };
    const { weightHh } = parameters.recurrent[place]!;
    if (weightHh === null || H > mostUnits) return { ...layer, gates: null };
    const values = Float64Array.from(await backend.download(weightHh));
    const gates: Record<string, number | null> = {};
    for (const [k, gate] of gateNames[cell].entries())
      gates[gate] = await spectralRadius(backend, values.subarray(k * H * H, (k + 1) * H * H), H);
    return { ...layer, gates };
  });
  return { layers: await Promise.all(found) };
};

/** What was seen of sequences of one length. */
interface Seen {
  rows: number;
  gradients: LayerGradients[];
  saturation: (Record<string, Saturation> | null)[];
}

const look = async (network: Network, batch: HostBatch, sequences: number): Promise<Seen> => {
  const { backend, shape } = network;
  const { steps } = batch;
  const tensors = new BatchTensors(network, { longest: steps, sequences, continues: true });
  try {
    const { inputs, targets, feedback, context, countdown } = tensors.load(batch);
    const saturation: Seen['saturation'] = [];
    const gradients = await gradientsThroughTime(
      network,
      {
        inputs,
        targets: shape.outputAt === 'end' ? targets : backend.view(targets, steps - 1, 1),
        sources: { feedback, context, countdown },
      },
      async (layer, input, outputs, first) => {
        saturation.push(await saturationOf(network, layer, input, outputs, first));
      },
    );
    return { rows: steps * sequences, gradients, saturation };
  } finally {
    tensors.release();
  }
};

/** The root mean square of those that reach as far, by lag. */
const joinedLags = (all: number[][]): number[] =>
  Array.from({ length: Math.max(...all.map((each) => each.length)) }, (_, lag) => {
    const found = all.filter((each) => lag < each.length);
    return Math.sqrt(found.reduce((sum, each) => sum + each[lag]! ** 2, 0) / found.length);
  });

const joinedGradients = (all: LayerGradients[][]): LayerGradients[] =>
  all[0]!.map(({ layer, c }, k) => ({
    layer,
    h: joinedLags(all.map((each) => each[k]!.h)),
    c: c && joinedLags(all.map((each) => each[k]!.c!)),
  }));

const joinedSaturation = (all: Seen[], layer: number): Seen['saturation'][number] => {
  const gates = all[0]!.saturation[layer]!;
  if (gates === null) return null;
  const rows = all.reduce((sum, each) => sum + each.rows, 0);
  const share = (gate: string, end: keyof Saturation): number =>
    all.reduce((sum, each) => sum + each.rows * each.saturation[layer]![gate]![end], 0) / rows;
  return Object.fromEntries(
    Object.keys(gates).map((gate) => [gate, { low: share(gate, 'low'), high: share(gate, 'high') }]),
  );
};

/**
 * What a network's states and weights look like at this moment, on the first sequences and time steps of a batch, from their first states
 * and without dropout. Reads parameters and changes nothing. Records are looked at one by one, each up to its last target. Gradients
 * through time and saturation are left out where steps cannot be taken one by one: two directions, batch statistics, fed outputs.
 * @param sequences N of the batch
 */
export const diagnose = async (
  network: Network,
  batch: HostBatch,
  sequences: number,
): Promise<Diagnostic[]> => {
  const radii: Diagnostic = { name: 'spectral_radius', data: await spectralRadii(network) };
  if (!isPlain(network)) return [radii];
  const seen: Seen[] = [];
  if (batch.lengths === null) {
    const count = Math.min(mostSequences, sequences);
    const steps = Math.min(mostSteps, batch.steps);
    seen.push(await look(network, columnsOf(batch, { sequences, first: 0, count, steps }), count));
  } else
    for (let first = 0; first < Math.min(mostSequences, sequences); first++) {
      const steps = lastTarget(batch, { sequences, row: first, most: mostSteps });
      if (steps > 0)
        seen.push(await look(network, columnsOf(batch, { sequences, first, count: 1, steps }), 1));
    }
  if (seen.length === 0) return [radii];
  const layers = seen[0]!.saturation.map((_, layer) => ({ layer, gates: joinedSaturation(seen, layer) }));
  return [
    {
      name: 'gradients_through_time',
      data: { layers: joinedGradients(seen.map(({ gradients }) => gradients)) },
    },
    radii,
    { name: 'saturation', data: { layers } },
  ];
};
