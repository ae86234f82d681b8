// One Elman network, its arrows drawn three ways: from the hidden units to themselves, from the output to the hidden units, or both.
import { pick, repeat, whole } from './random.mjs';

const arrows = (expected) =>
  ['hidden', 'output', 'both'].map((recurrence) => ({
    name: `Elman, ${recurrence}`,
    model: { cell: 'elman', hidden_size: 32, num_layers: 1, recurrence },
    expected: expected[recurrence],
  }));

const common = {
  metric: 'validation_accuracy',
  solved: (accuracy) => accuracy > 0.99,
  better: Math.max,
  spec: {
    task: 'sequence_labeling',
    training: { batch_size: 50, clip: { norm: 1 }, optimizer: { learning_rate: 0.005 } },
  },
};

/** What was read three steps ago: outputs say nothing of what they do not need, so that only hidden units can carry it. */
const delay = {
  ...common,
  name: 'echo after 3 steps',
  steps: 1500,
  record(random) {
    const input = repeat(24, () => pick(random, ['a', 'b', 'c', 'd']));
    return { input, output: input.map((_, t) => input[t - 3] ?? null) };
  },
  networks: arrows({ hidden: true, output: false, both: true }),
};

/** Whether the ones so far are odd in number, over 60 steps: the last answer is all that must be known. */
const running = {
  ...common,
  name: 'running parity, T = 60',
  steps: 1500,
  record(random) {
    const bits = repeat(60, () => whole(random, 0, 1));
    let odd = 0;
    return { input: bits.map(String), output: bits.map((bit) => ((odd ^= bit) ? 'odd' : 'even')) };
  },
  networks: arrows({ hidden: false, output: true, both: true }),
};

/** The running parity of what was read two steps ago: it takes both kinds of arrows. */
const both = {
  ...common,
  name: 'running parity, 2 steps late',
  steps: 3000,
  record(random) {
    const bits = repeat(60, () => whole(random, 0, 1));
    let odd = 0;
    const output = bits.map((_, t) => (t < 2 ? 'even' : (odd ^= bits[t - 2]) ? 'odd' : 'even'));
    return { input: bits.map(String), output };
  },
  networks: arrows({ hidden: false, output: false, both: true }),
};

export const arrowTasks = [delay, running, both];
