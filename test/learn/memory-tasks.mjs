// Tasks whose answer hangs on what was read long before (Hochreiter and Schmidhuber 1997).
import { pick, repeat, whole } from './random.mjs';

const gated = (hidden) => ({
  lstm: { cell: 'lstm', hidden_size: hidden, num_layers: 1 },
  gru: { cell: 'gru', hidden_size: hidden, num_layers: 1 },
  elman: { cell: 'elman', hidden_size: hidden, num_layers: 1 },
});
const irnn = (hidden) => ({
  cell: 'elman',
  activation: 'relu',
  init: 'identity',
  hidden_size: hidden,
  num_layers: 1,
});

/** Two of 100 numbers are marked: what is their sum? Answering 1 always costs a squared error of 1/6. */
const adding = {
  name: 'adding, T = 100',
  metric: 'validation_loss',
  solved: (loss) => loss < 0.01,
  better: Math.min,
  steps: 4000,
  spec: {
    task: 'sequence_labeling',
    training: {
      loss: 'squared_error',
      batch_size: 50,
      clip: { norm: 1 },
      optimizer: { learning_rate: 0.003 },
    },
  },
  record(random) {
    const steps = 100;
    const marked = [whole(random, 0, steps / 2 - 1), whole(random, steps / 2, steps - 1)];
    const values = repeat(steps, () => random());
    const output = repeat(steps, () => null);
    output[steps - 1] = [values[marked[0]] + values[marked[1]]];
    return { input: values.map((value, t) => [value, marked.includes(t) ? 1 : 0]), output };
  },
  networks: [
    { name: 'LSTM', model: gated(64).lstm, expected: true },
    { name: 'GRU', model: gated(64).gru, expected: true },
    { name: 'Elman, tanh', model: gated(64).elman, expected: false },
    { name: 'Elman, relu from the identity', model: irnn(64), expected: true, rate: 0.0005 },
  ],
};

const symbols = ['a', 'b', 'c', 'd'];

/** Five symbols, fifty blanks, then the five again. */
const copying = {
  name: 'copy memory, T = 50',
  metric: 'validation_accuracy',
  solved: (accuracy) => accuracy > 0.99,
  better: Math.max,
  steps: 6000,
  spec: {
    task: 'sequence_labeling',
    training: { batch_size: 50, clip: { norm: 1 }, optimizer: { learning_rate: 0.003 } },
  },
  record(random) {
    const shown = repeat(5, () => pick(random, symbols));
    const input = [...shown, ...repeat(49, () => 'blank'), 'go', ...repeat(5, () => 'blank')];
    return { input, output: [...repeat(55, () => null), ...shown] };
  },
  networks: [
    { name: 'LSTM', model: gated(96).lstm, expected: true },
    { name: 'GRU', model: gated(96).gru, expected: true },
    { name: 'Elman, tanh', model: gated(96).elman, expected: false },
  ],
};

/** Whether eight bits held an odd number of ones, asked twenty steps later. */
const parity = {
  name: 'delayed parity, 8 bits, 20 steps',
  metric: 'validation_accuracy',
  solved: (accuracy) => accuracy > 0.99,
  better: Math.max,
  steps: 4000,
  spec: {
    task: 'sequence_labeling',
    training: { batch_size: 50, clip: { norm: 1 }, optimizer: { learning_rate: 0.005 } },
  },
  record(random) {
    const bits = repeat(8, () => whole(random, 0, 1));
    const odd = bits.reduce((a, b) => a ^ b);
    const input = [...bits.map(String), ...repeat(19, () => 'wait'), 'ask'];
    return { input, output: [...repeat(27, () => null), odd ? 'odd' : 'even'] };
  },
  networks: [
    { name: 'LSTM', model: gated(48).lstm, expected: true },
    { name: 'GRU', model: gated(48).gru, expected: true },
    { name: 'Elman, tanh', model: gated(48).elman, expected: false },
  ],
};

export const memoryTasks = [adding, copying, parity];
