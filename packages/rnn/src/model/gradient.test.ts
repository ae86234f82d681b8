import { createReference, type Parameter } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { gradientError } from '../../test-support/network-rig.ts';
import { tinySpec } from '../../test-support/runs.ts';
import { ForwardPass } from './forward-pass.ts';
import { createGradients, createNetwork, initializeNetwork } from './network.ts';
import { textShape } from './network-shape.ts';
import { createState, resetState, stateTensors } from './recurrent-state.ts';
import { TrainingPass } from './training-pass.ts';

const T = 5;
const N = 2;
const V = 4;
const inputs = Int32Array.of(0, 1, 2, 3, 1, 1, 0, 2, 3, 0);
const targets = Int32Array.of(2, 3, 1, 1, 0, 2, 3, 0, 1, 2);

/** A window within an endless text. */
const plain = {
  starts: false,
  random: { seed: 3, step: 11, sequences: null },
  lengths: null,
  mask: null,
  labels: null,
  ending: null,
  feedback: null,
  context: null,
  countdown: null,
};

const setUp = (model: Record<string, unknown>, cutEvery: number, starts = false) => {
  const backend = createReference({ precision: 'float64' });
  const options = tinySpec({
    model: { hidden_size: 3, ...model },
    training: { bptt: { stateful: false } },
  }).model;
  const network = createNetwork(backend, options, textShape(V, T));
  initializeNetwork(network, 7);
  const gradients = createGradients(network);
  const pass = new TrainingPass(network, gradients, cutEvery, N);
  const state = createState(network, N);
  const inputTensor = backend.createTensor([T, N], 'int');
  const targetTensor = backend.createTensor([T, N], 'int');
  backend.upload(inputTensor, inputs);
  backend.upload(targetTensor, targets);
  const startState = () => {
    resetState(backend, state);
    // A state that is not zero, as within a text.
    stateTensors(state).forEach((tensor, k) => {
      backend.upload(
        tensor,
        Float64Array.from({ length: N * 3 }, (_, i) => 0.1 * (i - 2) + 0.05 * k),
      );
    });
  };
  const loss = async (): Promise<number> => {
    startState();
    pass.run({
      inputs: inputTensor,
      targets: targetTensor,
      steps: T,
      cutEvery,
      state,
      ...plain,
      starts,
      count: T * N,
    });
    return (await backend.download(pass.loss))[0]!;
  };
  return { backend, network, gradients, pass, state, startState, loss, inputTensor, targetTensor };
};

const cells = ['elman', 'lstm', 'gru'] as const;
const variants = cells.flatMap((cell) => [
  [`${cell}, 1 layer, one-hot`, { cell, num_layers: 1 }],
  [`${cell}, 2 layers, one-hot`, { cell, num_layers: 2 }],
  [`${cell}, 1 layer, embedding`, { cell, num_layers: 1, embedding_size: 2 }],
  [`${cell}, 2 layers, tied embedding`, { cell, num_layers: 2, embedding_size: 3, tie_weights: true }],
  [`${cell}, 3 layers with dropout`, { cell, num_layers: 3, embedding_size: 2, dropout: 0.4 }],
  [`${cell}, PyTorch's start`, { cell, num_layers: 2, init: 'pytorch' }],
]) as [string, Record<string, unknown>][];

describe('the gradient of the whole language model', () => {
  test.each([
    ...variants,
    ['elman with relu', { cell: 'elman', activation: 'relu', num_layers: 2, embedding_size: 3 }] as [
      string,
      Record<string, unknown>,
    ],
  ])('is that of finite differences in double precision: %s', async (_, model) => {
    const set = setUp(model, T);
    for (const [index, { name }] of set.network.table.entries())
      expect(await gradientError(set, set.loss, index), name).toBeLessThan(1e-6);
  });

  test.each([
    ['elman with softsign', { cell: 'elman', activation: 'softsign' }],
    ['elman with sigmoid, layer norm', { cell: 'elman', activation: 'sigmoid', norm: 'layer' }],
    ['lstm with peepholes', { cell: 'lstm', peephole: true }],
    ['lstm with a sigmoid candidate', { cell: 'lstm', candidate_activation: 'sigmoid' }],
    ['lstm with layer norm', { cell: 'lstm', norm: 'layer', peephole: true }],
    ['lstm with batch norm', { cell: 'lstm', norm: 'batch' }],
    ['gru with batch norm', { cell: 'gru', norm: 'batch' }],
    ['gru, reset before', { cell: 'gru', reset: 'before' }],
    ['gru, reset before, layer norm', { cell: 'gru', reset: 'before', norm: 'layer', init: 'pytorch' }],
    [
      'lstm with every noise',
      { cell: 'lstm', variational_dropout: 0.4, recurrent_dropout: 0.3, zoneout: 0.2 },
    ],
    ['gru with every noise', { cell: 'gru', variational_dropout: 0.4, recurrent_dropout: 0.3, zoneout: 0.2 }],
    ['lstm with learned states', { cell: 'lstm', initial_state: 'learned' }],
    ['elman with learned states', { cell: 'elman', initial_state: 'learned', init: 'pytorch' }],
  ])('is that of finite differences with options: %s', async (_, model) => {
    const set = setUp({ num_layers: 2, embedding_size: 2, ...model }, T, true);
    for (const [index, { name }] of set.network.table.entries())
      expect(await gradientError(set, set.loss, index), name).toBeLessThan(1e-5);
  });

  test('reaches learned first states from the first chunk alone where it is cut', async () => {
    const set = setUp({ num_layers: 1, cell: 'gru', initial_state: 'learned' }, 2, true);
    const first = set.network.table.findIndex(({ name }) => name === 'initial_state.h_l0');
    await set.loss();
    const gradient = await set.backend.download(set.gradients.all[first] as Parameter);
    expect(gradient.some((value) => value !== 0)).toBe(true);
  });

  test.each(cells)('with a window of one step is exact for what acts without time: %s', async (cell) => {
    // Cut at every step, the decoder's gradient is still the whole one; a recurrent weight's lacks what came through time.
    const set = setUp({ cell, num_layers: 1 }, 1);
    const decoder = set.network.table.findIndex(({ name }) => name === 'decoder.weight');
    expect(await gradientError(set, set.loss, decoder)).toBeLessThan(1e-6);
    const recurrent = set.network.table.findIndex(({ name }) => name === 'rnn.weight_hh_l0');
    expect(await gradientError(set, set.loss, recurrent)).toBeGreaterThan(1e-3);
  });

  test.each(cells)('with a truncated window is the sum of the chunks’ own gradients: %s', async (cell) => {
    const model = { cell, num_layers: 2, embedding_size: 2, dropout: 0.3 };
    const cut = setUp(model, 2);
    await cut.loss();
    const { backend, network, pass, state, startState, inputTensor, targetTensor } = setUp(
      { ...model, dropout: 0 },
      T,
    );
    const sums = network.table.map(({ shape }) => new Float64Array(shape.reduce((a, b) => a * b, 1)));
    // Each chunk by itself, as a window of its own that begins in the state in which the one before ended.
    startState();
    for (const [first, steps] of [
      [0, 2],
      [2, 2],
      [4, 1],
    ] as const) {
      const chunk = new TrainingPass(network, pass.gradients, steps, N);
      chunk.run({
        inputs: backend.view(inputTensor, first, steps),
        targets: backend.view(targetTensor, first, steps),
        steps,
        cutEvery: steps,
        state,
        ...plain,
        count: steps * N,
      });
      for (const [k, tensor] of pass.gradients.trained.entries())
        (await backend.download(tensor)).forEach((value, i) => {
          sums[k]![i]! += (value * steps) / T;
        });
    }
    const uncut = setUp({ ...model, dropout: 0 }, 2);
    await uncut.loss();
    for (const [k, tensor] of uncut.gradients.trained.entries())
      (await uncut.backend.download(tensor)).forEach((value, i) => {
        expect(value).toBeCloseTo(sums[k]![i]!, 12);
      });
  });

  test('dropout masks do not depend on where a window is cut', async () => {
    const model = { cell: 'gru', num_layers: 3, dropout: 0.5 };
    expect(await setUp(model, 2).loss()).toBeCloseTo(await setUp(model, T).loss(), 13);
  });

  test('a forward pass without gradients gives the same loss', async () => {
    const set = setUp({ cell: 'lstm', num_layers: 3, embedding_size: 2 }, T);
    const { backend, network, state } = set;
    const expected = await set.loss();
    set.startState();
    const forward = new ForwardPass(network, T, N);
    const loss = backend.createTensor([1], 'double');
    const hidden = forward.hidden({ inputs: set.inputTensor }, state);
    forward.losses(
      hidden,
      { targets: set.targetTensor, mask: null, count: T * N },
      { loss, correct: null, losses: null },
    );
    expect((await backend.download(loss))[0]).toBeCloseTo(expected, 14);
  });
});
