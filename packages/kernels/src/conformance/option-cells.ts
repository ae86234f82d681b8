import type { Parameter, RecurrentLayer, Tensor } from '../backend.ts';
import { gateRows } from '../roles.ts';
import type { Harness, Outputs } from './harness.ts';

type Options = Omit<RecurrentLayer, 'inputSize' | 'hiddenSize' | 'input'>;

/** A cell with options, as a training pass (masks, the batch's statistics) or as inference. */
export interface OptionCell {
  readonly title: string;
  readonly options: Options;
  readonly training: boolean;
}

function titleOf({ cell, ...options }: Options): string {
  const parts = Object.entries(options).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return [cell, ...parts].join(', ').replaceAll('"', '');
}

const inference = (options: Options): OptionCell => ({
  title: `${titleOf(options)}, inference`,
  options,
  training: false,
});
const training = (options: Options): OptionCell => ({
  title: `${titleOf(options)}, training`,
  options,
  training: true,
});
const both = (options: Options) => [inference(options), training(options)];

const zoneout = { hidden: 0.3, cell: 0.4 };
const hiddenZoneout = { hidden: 0.3, cell: 0 };
const layerNorm = { norm: 'layer' } as const;
const batchNorm = { norm: 'batch', normSteps: 3 } as const;
const squashes = ['relu', 'sigmoid', 'softsign'] as const;

/** Every option by itself and the combinations in which they meet; all cases are run with something injected, also the plain cells. */
export const optionCells: readonly OptionCell[] = [
  inference({ cell: 'elman' }),
  inference({ cell: 'gru' }),
  inference({ cell: 'lstm' }),

  ...squashes.map((activation) => inference({ cell: 'elman', activation })),
  inference({ cell: 'elman', recurrent: false }),
  inference({ cell: 'elman', recurrent: false, ...layerNorm }),
  ...both({ cell: 'elman', recurrent: false, ...batchNorm }),
  inference({ cell: 'elman', ...layerNorm }),
  ...both({ cell: 'elman', ...batchNorm }),
  ...both({ cell: 'elman', zoneout: hiddenZoneout }),
  training({ cell: 'elman', activation: 'softsign', zoneout: hiddenZoneout, ...layerNorm }),

  ...squashes.map((candidateActivation) => inference({ cell: 'lstm', candidateActivation })),
  inference({ cell: 'lstm', peephole: true }),
  inference({ cell: 'lstm', ...layerNorm }),
  ...both({ cell: 'lstm', ...batchNorm }),
  ...both({ cell: 'lstm', zoneout }),
  ...both({ cell: 'lstm', zoneout: hiddenZoneout }),
  ...both({ cell: 'lstm', recurrentDropout: 0.4 }),
  ...both({
    cell: 'lstm',
    candidateActivation: 'softsign',
    peephole: true,
    zoneout,
    recurrentDropout: 0.3,
    ...layerNorm,
  }),
  ...both({
    cell: 'lstm',
    candidateActivation: 'sigmoid',
    peephole: true,
    zoneout,
    recurrentDropout: 0.3,
    ...batchNorm,
  }),

  inference({ cell: 'gru', reset: 'before' }),
  inference({ cell: 'gru', ...layerNorm }),
  inference({ cell: 'gru', reset: 'before', ...layerNorm }),
  ...both({ cell: 'gru', ...batchNorm }),
  ...both({ cell: 'gru', reset: 'before', ...batchNorm }),
  ...both({ cell: 'gru', zoneout: hiddenZoneout }),
  training({ cell: 'gru', recurrentDropout: 0.4 }),
  ...both({
    cell: 'gru',
    reset: 'before',
    zoneout: hiddenZoneout,
    recurrentDropout: 0.3,
    ...layerNorm,
  }),
  training({ cell: 'gru', zoneout: hiddenZoneout, recurrentDropout: 0.3, ...batchNorm }),
];

/** T, N, C, H. */
export type Sizes = readonly [T: number, N: number, C: number, H: number];

/** A pass through one layer with every input and every gradient present, made on a harness; `forward` and `backward` may be called again and again. */
export function optionPass(
  h: Harness,
  { options, training: isTraining }: OptionCell,
  [T, N, C, H]: Sizes,
  reads: RecurrentLayer['input'],
  { size = 1, lengths = null }: { size?: number; lengths?: readonly number[] | null } = {},
) {
  const { backend } = h;
  const layer: RecurrentLayer = { ...options, inputSize: C, hiddenSize: H, input: reads };
  const isLstm = layer.cell === 'lstm';
  const isDense = reads === 'dense';
  const hasStates = layer.recurrent !== false;
  const G = gateRows(layer);
  const parameters = h.recurrent('p', layer, size);
  const statistics = h.statistics('running', layer);
  const input = isDense ? h.real('x', [T, N, C]) : h.tokens('x', [T, N], C);
  const injected = h.real('injected', [T, N, G]);
  const h0 = hasStates ? h.real('h0', [N, H]) : null;
  const c0 = isLstm ? h.real('c0', [N, H]) : null;
  const dOutput = h.real('dOutput', [T, N, H]);
  const dhT = hasStates ? h.real('dhT', [N, H]) : null;
  const dcT = isLstm ? h.real('dcT', [N, H]) : null;
  const output = h.empty([T, N, H]);
  const hT = hasStates ? h.empty([N, H]) : null;
  const cT = isLstm ? h.empty([N, H]) : null;
  const saved = backend.createSaved(layer, T + 1, N + 2);
  const sequences = backend.createTensor([N], 'int');
  backend.upload(
    sequences,
    Int32Array.from({ length: N }, (_, n) => 7 * n + 3),
  );
  const ragged = lengths && backend.createTensor([N], 'int');
  if (ragged && lengths) backend.upload(ragged, lengths);
  const training = isTraining ? { seed: 5, step: 2, layer: 1, sequences } : null;
  const chosen = Object.entries(parameters).filter((entry): entry is [string, Parameter] => !!entry[1]);
  return {
    layer,
    /** What gradients are taken by. */
    inputs: {
      ...Object.fromEntries(chosen),
      ...(isDense && { x: input }),
      injected,
      ...(h0 && { h0 }),
      ...(c0 && { c0 }),
    } as Readonly<Record<string, Tensor>>,
    /** Outputs beside what the loss weighs them with. */
    weighted: [
      [output, dOutput],
      ...(hT && dhT ? [[hT, dhT] as const] : []),
      ...(cT && dcT ? [[cT, dcT] as const] : []),
    ] as readonly (readonly [Tensor, Tensor])[],
    outputs: { output, hT, cT, mean: statistics?.mean, variance: statistics?.variance } as Outputs,
    forward() {
      const states = { h0, c0, hT, cT };
      const call = { layer, parameters, input, injected, statistics, training, lengths: ragged };
      backend.recurrentForward({ ...call, ...states, output, saved });
    },
    backward(): Readonly<Record<string, Tensor>> {
      const gradients = Object.fromEntries(
        chosen.map(([name, parameter]) => [name, backend.like(parameter)]),
      );
      const dInput = isDense ? h.empty([T, N, C]) : null;
      const dInjected = h.empty([T, N, G]);
      const dh0 = hasStates ? h.empty([N, H]) : null;
      const dc0 = isLstm ? h.empty([N, H]) : null;
      backend.recurrentBackward({
        layer,
        parameters,
        gradients: { weightIh: null, biasIh: null, weightHh: null, biasHh: null, ...gradients },
        saved,
        dOutput,
        dhT,
        dcT,
        dInput,
        dInjected,
        dh0,
        dc0,
      });
      return {
        ...gradients,
        ...(dInput && { x: dInput }),
        injected: dInjected,
        ...(dh0 && { h0: dh0 }),
        ...(dc0 && { c0: dc0 }),
      };
    },
  };
}
