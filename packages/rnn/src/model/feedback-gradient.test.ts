import { createReference, type Parameter } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { tinySpec } from '../../test-support/runs.ts';
import { ClosedLoopPass } from './closed-loop-pass.ts';
import { createGradients, createNetwork, initializeNetwork } from './network.ts';
import type { NetworkShape, Port } from './network-shape.ts';
import { createState } from './recurrent-state.ts';
import { TrainingPass } from './training-pass.ts';

const T = 5;
const N = 2;
const V = 3;
const tokens: Port = { kind: 'tokens', size: 4 };
const lengths = Int32Array.of(5, 3);

type Fields = Record<string, unknown>;

const shapes: Record<string, Pick<NetworkShape, 'input' | 'output' | 'loss'>> = {
  tokens: { input: tokens, output: { kind: 'tokens', size: V }, loss: 'softmax' },
  numbers: {
    input: { kind: 'vectors', size: 2 },
    output: { kind: 'vectors', size: V },
    loss: 'squared_error',
  },
  bits: { input: { kind: 'vectors', size: 2 }, output: { kind: 'vectors', size: V }, loss: 'bernoulli' },
  forecast: {
    input: { kind: 'vectors', size: V },
    output: { kind: 'vectors', size: V },
    loss: 'squared_error',
  },
};

interface Feeding {
  Pass: typeof TrainingPass | typeof ClosedLoopPass;
  /** 1 where a coin says that the network is fed its own numbers, [T,N]; none: everywhere. */
  coins?: number[];
}
const fedItsOwn: Feeding = { Pass: ClosedLoopPass };
const byCoins: Feeding = { Pass: ClosedLoopPass, coins: [0, 0, 1, 1, 0, 1, 1, 0, 1, 0] };

/** A labeling, or a forecast, of two sequences of five and three steps; at one of them nothing is asked. */
const setUp = (model: Fields, kind: string, { Pass, coins }: Feeding, cutEvery = T) => {
  const backend = createReference({ precision: 'float64' });
  const readsOutputs = kind === 'forecast';
  const task = readsOutputs ? 'forecasting' : 'sequence_labeling';
  const options = tinySpec({ task, model: { hidden_size: 3, ...model } }).model;
  const ports = shapes[kind]!;
  const network = createNetwork(backend, options, {
    ...ports,
    excluded: null,
    outputAt: 'steps',
    feedback: options.recurrence === 'hidden' ? null : ports.output,
    readsOutputs,
    context: null,
    normSteps: T,
  });
  initializeNetwork(network, 7);
  const gradients = createGradients(network);
  const pass = new Pass(network, gradients, T, N);
  const state = createState(network, N);
  const place = ({ kind: type, size }: Port, values: number[]) => {
    const tensor =
      type === 'tokens' ? backend.createTensor([T, N], 'int') : backend.createTensor([T, N, size]);
    const count = type === 'tokens' ? T * N : T * N * size;
    const all = Array.from({ length: count }, (_, k) => values[k % values.length]!);
    backend.upload(tensor, type === 'tokens' ? Int32Array.from(all) : Float64Array.from(all));
    return tensor;
  };
  const discrete = kind === 'tokens';
  const inputs = place(ports.input, discrete ? [0, 1, 2, 3, 1, 1, 0] : [0.3, -0.5, 1.2, 0.1, -0.7]);
  // The second sequence ends after three steps.
  const targets = discrete
    ? place(ports.output, [2, 1, 1, -1, 0, 2, 1, -1, 2, -1])
    : place(ports.output, [0.2, 0.9, 0.4, 0.7, 0.1]);
  const mask = discrete ? null : backend.createTensor([T, N], 'int');
  if (mask) backend.upload(mask, Int32Array.of(1, 1, 1, 0, 1, 1, 1, 0, 1, 0));
  const feedback = discrete
    ? place(ports.output, [-1, -1, 2, 1, 1, -1, 0, 2, 1, -1])
    : place(ports.output, [0, 0, 0, 0, 0, 0, 0.2, 0.9, 0.4, 0.7, 0.1]);
  const factors = (values: number[]) => {
    const tensor = backend.createTensor([T, N]);
    backend.upload(tensor, Float64Array.from(values));
    return tensor;
  };
  const own = coins ? factors(coins) : null;
  const known = coins && factors(coins.map((coin) => 1 - coin));
  // What is known is taken out of what the pass is given where a coin says so.
  if (known)
    for (const input of [feedback, ...(readsOutputs ? [inputs] : [])])
      backend.scaleRows({ input, factors: known, output: input });
  const loss = async (): Promise<number> => {
    pass.run({
      inputs,
      targets,
      mask,
      steps: T,
      lengths,
      labels: null,
      ending: null,
      feedback: network.shape.feedback && feedback,
      own,
      context: null,
      countdown: null,
      count: 7,
      cutEvery,
      state,
      starts: true,
      random: { seed: 3, step: 11, sequences: null },
    });
    return (await backend.download(pass.loss))[0]!;
  };
  return { backend, network, gradients, loss };
};

/** The largest difference between a parameter's gradient and central differences of the loss, relative to the gradient's size. */
const gradientErrors = async (set: ReturnType<typeof setUp>): Promise<Record<string, number>> => {
  const { backend, network, gradients, loss } = set;
  const errors: Record<string, number> = {};
  for (const [index, { name }] of network.table.entries()) {
    await loss();
    const gradient = await backend.download(gradients.all[index] as Parameter);
    const parameter = network.parameters.all[index]!;
    const values = (await backend.download(parameter)) as Float64Array;
    const epsilon = 2e-6;
    const at = async (k: number, shift: number): Promise<number> => {
      const moved = values.slice();
      moved[k]! += shift;
      backend.upload(parameter, moved);
      return loss();
    };
    const scale = Math.max(1e-3, ...gradient.map(Math.abs));
    let worst = 0;
    for (let k = 0; k < values.length; k++) {
      const numeric = ((await at(k, epsilon)) - (await at(k, -epsilon))) / (2 * epsilon);
      worst = Math.max(worst, Math.abs(numeric - gradient[k]!) / scale);
    }
    backend.upload(parameter, values);
    errors[name] = worst;
  }
  return errors;
};

const networks: [string, Fields][] = [
  ['output, elman', { cell: 'elman', recurrence: 'output' }],
  [
    'output, elman with relu, two layers',
    { cell: 'elman', activation: 'relu', recurrence: 'output', num_layers: 2 },
  ],
  ['output, elman with layer norm', { cell: 'elman', norm: 'layer', recurrence: 'output' }],
  ['both, elman', { cell: 'elman', recurrence: 'both' }],
  ['both, lstm, two layers, dropout', { cell: 'lstm', recurrence: 'both', num_layers: 2, dropout: 0.3 }],
  [
    'both, lstm, peepholes, learned states',
    { cell: 'lstm', peephole: true, initial_state: 'learned', recurrence: 'both' },
  ],
  ['both, gru', { cell: 'gru', recurrence: 'both' }],
  ['both, gru, reset before, zoneout', { cell: 'gru', reset: 'before', zoneout: 0.2, recurrence: 'both' }],
  ['both, gru with batch norm', { cell: 'gru', norm: 'batch', recurrence: 'both' }],
];

describe.each([
  ['forced', { Pass: TrainingPass }],
  ['fed its own outputs', fedItsOwn],
] as const)('the gradient of a network with feedback, %s', (_, feeding) => {
  test.each(networks)('is that of finite differences: %s', async (__, model) => {
    const set = setUp(model, 'tokens', feeding);
    for (const [name, error] of Object.entries(await gradientErrors(set)))
      expect(error, name).toBeLessThan(1e-5);
  });

  test.each([
    ['an embedding', { cell: 'elman', recurrence: 'both', embedding_size: 2 }, 'tokens'],
    ['numbers', { cell: 'elman', recurrence: 'output' }, 'numbers'],
    ['numbers with states', { cell: 'lstm', recurrence: 'both' }, 'numbers'],
    ['zeros and ones', { cell: 'elman', recurrence: 'output' }, 'bits'],
    ['zeros and ones with states', { cell: 'gru', recurrence: 'both' }, 'bits'],
  ])('is that of finite differences with %s', async (__, model, kind) => {
    const set = setUp(model, kind, feeding);
    for (const [name, error] of Object.entries(await gradientErrors(set)))
      expect(error, name).toBeLessThan(1e-5);
  });
});

describe('the gradient of a network that is fed its own numbers by fixed coins', () => {
  test.each([
    ['numbers', { cell: 'elman', recurrence: 'output' }, 'numbers'],
    ['numbers with states', { cell: 'gru', recurrence: 'both', initial_state: 'learned' }, 'numbers'],
    ['zeros and ones', { cell: 'lstm', recurrence: 'both' }, 'bits'],
    ['a forecast', { cell: 'elman' }, 'forecast'],
    ['a forecast of two layers with layer norm', { cell: 'lstm', num_layers: 2, norm: 'layer' }, 'forecast'],
    ['a forecast with output recurrence', { cell: 'elman', recurrence: 'output' }, 'forecast'],
    ['a forecast with both', { cell: 'gru', recurrence: 'both', dropout: 0 }, 'forecast'],
  ])('is that of finite differences: %s', async (_, model, kind) => {
    const set = setUp(model, kind, byCoins);
    for (const [name, error] of Object.entries(await gradientErrors(set)))
      expect(error, name).toBeLessThan(1e-5);
  });

  test('is cut with the state, the loss staying what it was', async () => {
    const model = { cell: 'gru', recurrence: 'both' };
    const [whole, cut] = [setUp(model, 'forecast', byCoins), setUp(model, 'forecast', byCoins, 2)];
    expect(await cut.loss()).toBeCloseTo(await whole.loss(), 12);
    const gradientOf = ({ backend, gradients }: typeof cut) => backend.download(gradients.decoder.bias!);
    expect(await gradientOf(cut)).not.toEqual(await gradientOf(whole));
  });
});
