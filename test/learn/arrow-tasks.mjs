// One Elman network, its arrows drawn three ways: from the hidden units to themselves, from the output to the hidden units, or both.
import { pick, repeat, whole } from './random.mjs';

const arrows = (expected) =>
  ['hidden', 'output', 'both'].map((recurrence) => ({
    name: `Elman, ${recurrence}`,
    model: { cell: 'elman', hidden_size: 64, num_layers: 1, recurrence },
    expected: expected[recurrence],
  }));

/** Share of right answers when the network is fed its own. */
const judge = async (model, records) => {
  let [right, asked] = [0, 0];
  for (const { input, output } of records) {
    const { tags } = await model.predict(input);
    asked += output.filter((tag) => tag !== null).length;
    right += output.filter((tag, t) => tag !== null && tag === tags[t]).length;
  }
  return right / asked;
};

const common = {
  measure: 'right answers when it is fed its own, greedily',
  judge,
  solved: (accuracy) => accuracy > 0.99,
  better: Math.max,
  spec: {
    task: 'sequence_labeling',
    training: { batch_size: 50, clip: { norm: 1 }, optimizer: { learning_rate: 0.003 } },
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

const digits = 7;
const addTo = (sum, digit) => (sum + digit) % digits;

/** The sum modulo 7 of the digits so far, over 60 steps: the last answer is all that must be known, and hidden units must find that out. */
const sum = {
  ...common,
  name: 'running sum modulo 7, T = 60',
  steps: 1500,
  record(random) {
    const input = repeat(60, () => whole(random, 0, digits - 1));
    let sum = 0;
    return { input: input.map(String), output: input.map((digit) => `sum ${(sum = addTo(sum, digit))}`) };
  },
  networks: arrows({ hidden: false, output: true, both: true }),
};

/** The same, told two steps late: the sum must come from the last answer, and the digit from hidden units. */
const lateSum = {
  ...common,
  name: 'the same, 2 steps late',
  steps: 1500,
  record(random) {
    const input = repeat(60, () => whole(random, 0, digits - 1));
    let sum = 0;
    const output = input.map((_, t) => `sum ${t < 2 ? 0 : (sum = addTo(sum, input[t - 2]))}`);
    return { input: input.map(String), output };
  },
  networks: arrows({ hidden: false, output: false, both: true }),
};

export const arrowTasks = [delay, sum, lateSum];
