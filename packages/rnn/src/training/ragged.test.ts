import { type Backend, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { chosenNativeEngine } from '../../../../test/support/native-engines.ts';
import { createRig, openData, type Rig } from '../../test-support/network-rig.ts';
import { type RecordTask, recordTasks, specOfTask } from '../../test-support/record-tasks.ts';
import type { HostBatch } from '../data/feed.ts';

type Options = Record<string, unknown>;

/** The network over all records in one batch. */
const together = async (task: RecordTask, options: Options, create: () => Backend) => {
  const spec = specOfTask(task, options);
  const rig = createRig(spec, await openData(spec, task.data()), create());
  return { rig, batch: rig.feed.load(0, 0) };
};

/** The same network over one record at a time. */
const oneByOne = async (task: RecordTask, options: Options, create: () => Backend) => {
  const spec = specOfTask({ ...task, training: { ...task.training, batch_size: 1 } }, options);
  const rig = createRig(spec, await openData(spec, task.data()), create());
  return { rig, records: Array.from({ length: rig.feed.batches }, (_, k) => rig.feed.load(0, k)) };
};

const rowOf = (batch: HostBatch, record: HostBatch): number =>
  batch.sequences!.indexOf(record.sequences![0]!);

/** Row n of [N,…]. */
const row = (values: ArrayLike<number>, n: number, N: number): number[] =>
  Array.from(values).slice((n * values.length) / N, ((n + 1) * values.length) / N);

const gradientsOf = ({ backend, gradients }: Rig): Promise<Float64Array[]> =>
  Promise.all(gradients.trained.map(async (tensor) => Float64Array.from(await backend.download(tensor))));

const expectClose = (actual: Float64Array[], expected: Float64Array[], rig: Rig, tolerance: number): void => {
  const scale = Math.max(...expected.map((values) => Math.max(...values.map(Math.abs))));
  expected.forEach((values, k) => {
    const worst = Math.max(...values.map((value, i) => Math.abs(value - actual[k]![i]!)));
    expect(worst / scale, rig.network.table[k]!.name).toBeLessThan(tolerance);
  });
};

/** The batch's rows in another order. */
const permuted = (batch: HostBatch, order: number[]): HostBatch => {
  const N = order.length;
  const turn = <A extends Int32Array | Float32Array>(values: A, steps: number): A => {
    const turned = values.slice() as A;
    const width = values.length / (N * steps);
    for (let t = 0; t < steps; t++)
      order.forEach((from, to) => {
        const at = (t * N + from) * width;
        turned.set(values.subarray(at, at + width) as never, (t * N + to) * width);
      });
    return turned;
  };
  const { steps } = batch;
  return {
    ...batch,
    lengths: turn(batch.lengths!, 1),
    sequences: turn(batch.sequences!, 1),
    inputs: turn(batch.inputs, steps),
    targets: turn(batch.targets, batch.targets.length === N ? 1 : steps),
    mask: batch.mask && turn(batch.mask, steps),
    context: batch.context && turn(batch.context, 1),
  };
};

/** What stands in padding, replaced: tokens by other tokens, numbers by large ones. */
const littered = (batch: HostBatch): HostBatch => {
  const N = batch.lengths!.length;
  const fill = <A extends Int32Array | Float32Array>(values: A, litter: number): A => {
    const width = values.length / (N * batch.steps);
    return values.map((value, k) => {
      const place = Math.floor(k / width);
      return Math.floor(place / N) >= batch.lengths![place % N]! ? litter : value;
    }) as A;
  };
  const numbers = batch.targets instanceof Float32Array;
  return {
    ...batch,
    inputs: fill(batch.inputs, batch.inputs instanceof Int32Array ? 1 : 1e4),
    targets: numbers ? fill(batch.targets, 1e4) : batch.targets,
  };
};

const noise = { zoneout: 0.3, variational_dropout: 0.3, recurrent_dropout: 0.3 };
const cellOf = (k: number): string => ['lstm', 'gru', 'elman'][k % 3]!;
const cases = recordTasks.flatMap(([name, task], k): [string, Options, RecordTask][] => {
  const deep = { num_layers: 2 };
  return [
    [name, { cell: cellOf(k), num_layers: task.model?.num_layers ?? 1 }, task],
    [name, { ...deep, ...noise, cell: cellOf(k % 2) }, task],
    [name, { ...deep, cell: cellOf(k + 1), norm: 'layer', dropout: 0.3 }, task],
    ...(task.model?.bidirectional
      ? []
      : [
          [name, { ...deep, cell: cellOf(k + 2) }, { ...task, training: { bptt: { window: 2 } } }] as [
            string,
            Options,
            RecordTask,
          ],
        ]),
  ];
});
const engines: [string, number, () => Backend][] = [
  ['the reference engine in double precision', 1e-12, () => createReference({ precision: 'float64' })],
  ...chosenNativeEngine().map(({ name, create }): [string, number, () => Backend] => [name, 1e-5, create]),
];

describe.each(engines)('records of different lengths side by side on %s', (_, tolerance, create) => {
  test.each(cases)('are what they are one by one: %s, %j', async (_name, options, task) => {
    const all = await together(task, options, create);
    const single = await oneByOne(task, options, create);
    const N = single.records.length;
    const inferred = await all.rig.infer(all.batch);
    for (const record of single.records) {
      const n = rowOf(all.batch, record);
      const own = await single.rig.infer(record);
      own.states.forEach((values, k) => {
        expect(row(inferred.states[k]!, n, N)).toEqual([...values]);
      });
      const outputs = own.losses.length;
      for (const name of ['hidden', 'losses', 'endings'] as const)
        for (let t = 0; t < outputs && own[name]; t++)
          expect(row(inferred[name]!, t * N + n, inferred.losses.length), `${name} at ${t}`).toEqual(
            row(own[name], t, outputs),
          );
    }

    const counts = all.rig.feed.perBatch;
    expect(counts.targets).toBe(all.batch.count);
    if (all.batch.lengths && all.rig.network.parameters.length) expect(counts.endings).toBe(all.batch.tokens);
    const loss = await all.rig.train(all.batch, counts);
    const gradients = await gradientsOf(all.rig);
    const sums = gradients.map((values) => values.map(() => 0));
    let losses = 0;
    for (const record of single.records) {
      losses += await single.rig.train(record, counts);
      (await gradientsOf(single.rig)).forEach((values, k) => {
        values.forEach((value, i) => {
          sums[k]![i]! += value;
        });
      });
    }
    expect(Math.abs(losses - loss) / loss).toBeLessThan(tolerance);
    expectClose(gradients, sums, all.rig, tolerance);
  });
});

const double = () => createReference({ precision: 'float64' });

test.each(cases)('a record weighs as much in any batch of an epoch: %s, %j', async (_, options, task) => {
  const { rig, batch } = await together(task, options, double);
  await rig.train(batch);
  const expected = await gradientsOf(rig);
  // Sorted by length: what is short is among its like.
  const spec = specOfTask({ ...task, training: { ...task.training, batch_size: 2 } }, options);
  const pairs = createRig(spec, await openData(spec, task.data()), double());
  const sums = expected.map((values) => values.map(() => 0));
  for (let k = 0; k < pairs.feed.batches; k++) {
    await pairs.train(pairs.feed.load(0, k));
    (await gradientsOf(pairs)).forEach((values, at) => {
      values.forEach((value, i) => {
        sums[at]![i]! += value / pairs.feed.batches;
      });
    });
  }
  expectClose(sums, expected, rig, 1e-12);
});

describe('a batch', () => {
  const batchNorm = recordTasks.map(([name, task], k): [string, Options, RecordTask] => [
    name,
    { cell: cellOf(k), num_layers: 2, norm: 'batch', ...(k % 3 < 2 && noise) },
    { ...task, training: { ...task.training, bptt: { stateful: false } } },
  ]);

  test.each([...cases, ...batchNorm])(
    'means the same in any order of its records: %s, %j',
    async (_, options, task) => {
      const { rig, batch } = await together(task, options, double);
      const loss = await rig.train(batch);
      const gradients = await gradientsOf(rig);
      const order = [3, 5, 1, 0, 4, 2];
      expect(Math.abs((await rig.train(permuted(batch, order))) - loss)).toBeLessThan(1e-12);
      expectClose(await gradientsOf(rig), gradients, rig, 1e-11);
    },
  );

  test.each([...cases, ...batchNorm])(
    'lets nothing of its padding into losses, gradients, states and statistics: %s, %j',
    async (_, options, task) => {
      const seen = async (change: (batch: HostBatch) => HostBatch) => {
        const { rig, batch } = await together(task, options, double);
        const changed = change(batch);
        const loss = await rig.train(changed);
        const { network, backend } = rig;
        return {
          loss,
          gradients: await gradientsOf(rig),
          statistics: await Promise.all(network.buffers.map(({ tensor }) => backend.download(tensor))),
          states: (await rig.infer(changed)).states,
        };
      };
      expect(await seen(littered)).toEqual(await seen((batch) => batch));
    },
  );
});
