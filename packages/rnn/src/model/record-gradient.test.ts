import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { createRig, gradientError, openData } from '../../test-support/network-rig.ts';
import { type RecordTask, recordTasks, specOfTask } from '../../test-support/record-tasks.ts';

const expectExact = async (task: RecordTask, more = {}, tolerance = 1e-6): Promise<void> => {
  const spec = specOfTask(task, more);
  const rig = createRig(spec, await openData(spec, task.data()), createReference({ precision: 'float64' }));
  const batch = rig.feed.load(0, 0);
  for (const [index, { name }] of rig.network.table.entries())
    expect(await gradientError(rig, () => rig.train(batch), index), name).toBeLessThan(tolerance);
};

type Options = Record<string, unknown>;

const activations = ['tanh', 'relu', 'sigmoid', 'softsign'];
const ofEvery: Options[] = [
  { norm: 'layer' },
  { norm: 'batch' },
  { zoneout: 0.3 },
  { dropout: 0.4 },
  { variational_dropout: 0.4 },
  { initial_state: 'learned' },
  { initial_state: 'learned', norm: 'layer', zoneout: 0.2, variational_dropout: 0.3 },
  { embedding_size: 3, tie_weights: true },
  { embedding_size: null },
];
const ofGates: Options[] = [{ recurrent_dropout: 0.4 }, { recurrent_dropout: 0.3, zoneout: 0.2 }];
const normed: Options[] = [{ norm: 'layer' }, { norm: 'batch' }];
const optionsOf: Record<'elman' | 'lstm' | 'gru', Options[]> = {
  elman: [
    ...ofEvery,
    ...activations.map((activation) => ({ activation })),
    ...normed.map((norm) => ({ ...norm, activation: 'sigmoid' })),
  ],
  lstm: [
    ...ofEvery,
    ...ofGates,
    ...activations.map((candidate_activation) => ({ candidate_activation })),
    { peephole: true },
    ...normed.map((norm) => ({ ...norm, peephole: true, recurrent_dropout: 0.2, zoneout: 0.2 })),
  ],
  gru: [
    ...ofEvery,
    ...ofGates,
    { reset: 'before' },
    ...normed.map((norm) => ({ ...norm, reset: 'before', recurrent_dropout: 0.2, zoneout: 0.2 })),
  ],
};

const taskNamed = (name: string): RecordTask => new Map(recordTasks).get(name)!;
/** Rows that hardly differ are normalised by little, and their rounding with them. */
const normTolerance = 1e-5;
const cells = ['elman', 'lstm', 'gru'] as const;

describe('the gradient of the whole network over records of different lengths', () => {
  // What a task adds stands before and behind the cells: they take turns.
  test.each(
    recordTasks.map(([name, task], k): [string, string, RecordTask] => [
      name,
      cells[k % cells.length]!,
      task,
    ]),
  )('is that of finite differences in double precision: %s, %s', (_, cell, task) =>
    expectExact(task, { cell }),
  );

  test.each(cells.flatMap((cell) => optionsOf[cell].map((options): [string, Options] => [cell, options])))(
    'is that of finite differences with every option: %s, %j',
    (cell, options) =>
      expectExact(
        taskNamed('lines that count down'),
        { cell, num_layers: 2, embedding_size: 2, init: 'pytorch', ...options },
        normTolerance,
      ),
  );

  test.each<Options>([
    { cell: 'lstm', norm: 'batch', peephole: true },
    { cell: 'gru', norm: 'layer', reset: 'before' },
    { cell: 'lstm', variational_dropout: 0.4, recurrent_dropout: 0.3, zoneout: 0.2 },
    { cell: 'elman', initial_state: 'learned', dropout: 0.3 },
  ])('is that of finite differences with options where sequences are read both ways: %j', async (options) => {
    for (const name of ['a classification read both ways', 'a labeling read both ways'])
      await expectExact(taskNamed(name), options, normTolerance);
  });

  const texts = recordTasks.filter(([name]) => /^(lines|texts) /.test(name));
  const own = { teacher_forcing: { mode: 'never' } };
  test.each(
    texts.flatMap(([name, task], place) =>
      cells.map((cell, k): [string, string, number | null, RecordTask] => [
        name,
        cell,
        (place + k) % 2 === 0 ? null : 2,
        task,
      ]),
    ),
  )(
    'is that of finite differences through the probabilities that are read: %s, %s, embedding %s',
    (_, cell, embedding_size, task) =>
      expectExact({ ...task, training: { ...task.training, ...own } }, { cell, embedding_size }),
  );

  test.each<Options>([
    { cell: 'lstm', embedding_size: 3, tie_weights: true, num_layers: 2, dropout: 0.3 },
    { cell: 'gru', embedding_size: 2, norm: 'layer', initial_state: 'learned' },
    { cell: 'gru', embedding_size: 2, norm: 'batch', reset: 'before' },
    { cell: 'elman', embedding_size: 2, recurrence: 'output' },
    { cell: 'lstm', num_layers: 2, dropout: 0.3, peephole: true },
    { cell: 'gru', norm: 'layer', initial_state: 'learned' },
    { cell: 'lstm', norm: 'batch', zoneout: 0.2 },
    { cell: 'elman', recurrence: 'output' },
  ])('is that of finite differences through the probabilities that are read, with options: %j', (options) => {
    // Lines that all begin with the same symbol would be read alike to their ends, which leaves batches without a variance.
    const task = taskNamed('texts of a vector, every_step');
    return expectExact({ ...task, training: own }, options, normTolerance);
  });
});
