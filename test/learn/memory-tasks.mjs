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
  steps: 2500,
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
  steps: 3000,
  spec: {
    task: 'sequence_labeling',
    training: { batch_size: 50, clip: { norm: 1 }, optimizer: { learning_rate: 0.001 } },
  },
  record(random) {
    const shown = repeat(5, () => pick(random, symbols));
    const input = [...shown, ...repeat(49, () => 'blank'), 'go', ...repeat(5, () => 'blank')];
    return { input, output: [...repeat(55, () => null), ...shown] };
  },
  networks: [
    // Orthogonal recurrent weights are made for it (Henaff et al. 2016); gates take longer, or stay at chance (Arjovsky et al. 2016).
    { name: 'Elman, tanh', model: gated(96).elman, expected: true },
    { name: 'LSTM', model: gated(96).lstm, expected: false },
    { name: 'GRU', model: gated(96).gru, expected: false },
  ],
};

/** At each of 40 steps: whether the three bits read 3, 4 and 5 steps ago held an odd number of ones. No two of them say anything of the answer. */
const parity = {
  name: 'delayed parity, 3 bits, 3 steps ago',
  metric: 'validation_accuracy',
  solved: (accuracy) => accuracy > 0.99,
  better: Math.max,
  steps: 1000,
  spec: {
    task: 'sequence_labeling',
    training: { batch_size: 50, clip: { norm: 1 }, optimizer: { learning_rate: 0.003 } },
  },
  record(random) {
    const bits = repeat(40, () => whole(random, 0, 1));
    const odd = (t) => bits[t - 3] ^ bits[t - 4] ^ bits[t - 5];
    return { input: bits.map(String), output: bits.map((_, t) => (t < 5 ? null : odd(t) ? 'odd' : 'even')) };
  },
  networks: [
    { name: 'LSTM', model: gated(64).lstm, expected: true },
    { name: 'GRU', model: gated(64).gru, expected: true },
    { name: 'Elman, tanh', model: gated(64).elman, expected: true },
  ],
};

export const memoryTasks = [adding, copying, parity];
