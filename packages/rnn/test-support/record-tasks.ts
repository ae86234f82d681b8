import { textFile, tinySpec } from './runs.ts';

type Fields = Record<string, unknown>;

/** A task over records, as a spec and a file; its records have different lengths. */
export interface RecordTask {
  task?: string;
  text?: Fields;
  model?: Fields;
  training?: Fields;
  data: () => string;
}

/** A file that is written when it is first asked for, and read by all who ask. */
const written = (text: string): (() => string) => {
  let path: string | null = null;
  return () => (path ??= textFile(text));
};

const jsonLines = (records: object[]) => written(records.map((record) => JSON.stringify(record)).join('\n'));

const words = ['abca', 'b', 'cab', 'ab', 'bacab', 'c'];
const lines = written(`${words.join('\n')}\n`);
const labelled = jsonLines(words.map((text, k) => ({ context: k % 2 ? 'odd' : 'even', text })));
const described = jsonLines(words.map((text, k) => ({ context: [k, k % 3], text })));

const classified = jsonLines(words.map((input, k) => ({ input, label: k % 3 ? 'x' : 'y' })));
const tagged = jsonLines(
  words.map((word) => ({
    input: [...word],
    // Nothing is asked of some steps.
    output: [...word].map((letter, t) => (t % 3 === 1 ? null : letter.toUpperCase())),
  })),
);
const rows = words.map((word, k) => [...word].map((_, t) => [Math.sin(3 * k + t), (k + t) % 2]));
const vectorsClassified = jsonLines(rows.map((input, k) => ({ input, label: k % 3 ? 'x' : 'y' })));
const vectorsLabelled = jsonLines(
  rows.map((input) => ({
    input,
    output: input.map(([x], t) => (t % 3 === 1 ? null : [x! * x!])),
  })),
);

const vectorsSwitched = jsonLines(
  rows.map((input) => ({ input, output: input.map(([x, y]) => [x! > 0 ? 1 : 0, y]) })),
);
const series = jsonLines(rows.map((values, k) => ({ values: [[k, 1], ...values] })));
const rolls = jsonLines(
  words.map((word, k) => ({
    values: [...`a${word}`].map((letter, t) => [letter === 'a' ? 1 : 0, (k + t) % 2]),
  })),
);

const sequences = { sequences: 'lines' };
/** Of what could be one endless series: batch statistics want it said. */
const afresh = { bptt: { stateful: false } };
const countdown = { length: 'countdown', max_length: 7 };

const contexts: [string, RecordTask][] = ['every_step', 'initial_state', 'both'].flatMap((inject) => [
  [
    `texts of a label, ${inject}`,
    { task: 'conditional_generation', model: { context: { inject } }, data: labelled },
  ],
  [
    `texts of a vector, ${inject}`,
    { task: 'conditional_generation', model: { context: { inject } }, data: described },
  ],
]);

/** Every task, target and head that records have. */
export const recordTasks: [string, RecordTask][] = [
  ['lines that end by a token', { text: sequences, data: lines }],
  ['lines that end by a coin', { text: sequences, model: { length: 'bernoulli' }, data: lines }],
  ['lines that count down', { text: sequences, model: countdown, data: lines }],
  ...contexts,
  [
    'texts of a vector that count down',
    { task: 'conditional_generation', model: { ...countdown, context: { inject: 'both' } }, data: described },
  ],
  ['a classification', { task: 'classification', data: classified }],
  [
    'a classification read both ways',
    { task: 'classification', model: { bidirectional: true, num_layers: 2 }, data: classified },
  ],
  [
    'a classification of vectors read both ways',
    { task: 'classification', model: { bidirectional: true, cell: 'gru' }, data: vectorsClassified },
  ],
  ['a labeling', { task: 'sequence_labeling', data: tagged }],
  [
    'a labeling read both ways',
    {
      task: 'sequence_labeling',
      model: { bidirectional: true, num_layers: 2, embedding_size: 2 },
      data: tagged,
    },
  ],
  [
    'a labeling of vectors read both ways',
    { task: 'sequence_labeling', model: { bidirectional: true, num_layers: 2 }, data: vectorsLabelled },
  ],
  [
    'a labeling of vectors with zeros and ones',
    { task: 'sequence_labeling', training: { loss: 'bernoulli' }, data: vectorsSwitched },
  ],
  ['a forecast', { task: 'forecasting', training: afresh, data: series }],
  [
    'a forecast of zeros and ones',
    { task: 'forecasting', training: { ...afresh, loss: 'bernoulli' }, data: rolls },
  ],
];

/** The records of these tasks. */
export const recordCount = words.length;

/** All records are in the one batch of an epoch, unless `training` says otherwise. */
export const specOfTask = ({ task, text, model, training }: RecordTask, more: Fields = {}) =>
  tinySpec({
    ...(task && { task }),
    ...(text && { text }),
    model: { hidden_size: 3, ...model, ...more },
    training: { batch_size: recordCount, validation_fraction: 0, ...training },
  });
