import { type Backend, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import {
  checkpointsOf,
  metricsOf,
  type Recorded,
  record,
  scratchFolder,
  tensorsOf,
  textFile,
  tinySpec,
} from '../../packages/rnn/test-support/runs.ts';
import { chosenNativeEngine } from '../support/native-engines.ts';

const lines = (rows: unknown[]): string => textFile(rows.map((row) => JSON.stringify(row)).join('\n'));

/** Which tag is right depends on all inputs before; some are not asked for. */
const tagged = () =>
  lines(
    Array.from({ length: 30 }, (_, k) => {
      const input = Array.from({ length: 3 + (k % 5) }, (__, t) => `${((k * 2654435761) >>> (t + 3)) & 1}`);
      let ones = 0;
      return {
        input,
        output: input.map((bit, t) => {
          ones += Number(bit);
          return (k + t) % 4 === 0 ? null : `${ones % 3}`;
        }),
      };
    }),
  );
const series = () => lines(Array.from({ length: 150 }, (_, t) => [Math.sin(t / 3), Math.cos(t / 5)]));

const tasks: [string, () => string][] = [
  ['sequence_labeling', tagged],
  ['forecasting', series],
];
const networks = [
  { cell: 'elman', recurrence: 'output', num_layers: 2, dropout: 0.1 },
  { cell: 'lstm', recurrence: 'both' },
];
const modes = [{}, { mode: 'scheduled', schedule: 'exponential', k: 0.6 }, { mode: 'never' }];

const rows = tasks.flatMap(([task, data]) =>
  networks.flatMap((model) =>
    modes.map((teacher_forcing) => ({
      title: `${task}, ${model.recurrence}, ${teacher_forcing.mode ?? 'always'}`,
      data,
      // Sizes that no vector divides.
      spec: tinySpec({
        task,
        model: { hidden_size: 21, ...model },
        training: { batch_size: 5, sequence_length: 7, max_steps: 5, checkpoint_every: 2, teacher_forcing },
      }),
    })),
  ),
);

const writers = [
  { task: 'language_model', data: () => textFile('the cat sat on the mat. '.repeat(12)) },
  {
    task: 'conditional_generation',
    model: { length: 'bernoulli', context: { inject: 'both' } },
    data: () =>
      lines(Array.from({ length: 30 }, (_, k) => ({ context: `${k % 3}`, text: 'abcab'.slice(k % 4) }))),
  },
];
const own = writers.flatMap(({ task, model, data }) =>
  [13, null].map((embedding_size) => ({
    title: `${task}, never, embedding ${embedding_size}`,
    data,
    spec: tinySpec({
      task,
      model: { hidden_size: 21, cell: 'lstm', num_layers: 2, dropout: 0.1, embedding_size, ...model },
      training: {
        batch_size: 5,
        sequence_length: 7,
        max_steps: 5,
        checkpoint_every: 2,
        teacher_forcing: { mode: 'never' },
      },
    }),
  })),
);

const finalOf = (run: Recorded) => tensorsOf(checkpointsOf(run).at(-1)!.data);
const lossesOf = (run: Recorded): number[] =>
  metricsOf(run).flatMap(({ values }) => (values.loss === undefined ? [] : [values.loss]));

type Case = (typeof rows)[number];
const truths = new Map<Case, Promise<number[]>>();
/** The losses in double precision, worked out when the first engine asks and kept for the others. */
const truthOf = (of: Case): Promise<number[]> => {
  const truth =
    truths.get(of) ??
    record({
      spec: of.spec,
      data: of.data(),
      backend: createReference({ precision: 'float64' }),
    }).then(lossesOf);
  truths.set(of, truth);
  return truth;
};

type Open = (threads: number) => Backend;
// The reference has one thread, and must resume with the same bits all the same.
const engines: [string, Open][] = [
  ['reference', () => createReference()],
  ...chosenNativeEngine().map(({ name, create }): [string, Open] => [name, create]),
];

describe.each(engines)('feedback on %s', (name, open) => {
  test.each([...rows, ...own])(
    'has the same bits whatever the number of threads, and when it is resumed: $title',
    async ({ spec, data }) => {
      const options = { spec, data: data(), scratch: scratchFolder() };
      const run = async (threads: number, resume?: Uint8Array): Promise<Recorded> => {
        const backend = open(threads);
        const recorded = await record({ ...options, backend, ...(resume && { resume }) });
        backend.close();
        return recorded;
      };
      const one = await run(1);
      if (name !== 'reference') expect(finalOf(await run(2))).toEqual(finalOf(one));
      expect(finalOf(await run(2, checkpointsOf(one)[0]!.data))).toEqual(finalOf(one));
    },
  );

  test.each([...rows, ...own])('has nearly the losses of double precision: $title', async (of) => {
    const truth = await truthOf(of);
    const backend = open(2);
    const own = lossesOf(await record({ spec: of.spec, data: of.data(), backend }));
    backend.close();
    expect(own).toHaveLength(truth.length);
    for (const [i, loss] of own.entries())
      expect(Math.abs(loss / truth[i]! - 1), `step ${i + 1}`).toBeLessThan(2e-5);
  });
});
