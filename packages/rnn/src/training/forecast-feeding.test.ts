import { createReference } from '@unfold/kernels';
import { expect, test } from 'vitest';
import { tinySpec } from '../../test-support/runs.ts';
import type { HostBatch } from '../data/feed.ts';
import { ClosedLoop } from '../model/closed-loop.ts';
import { createGradients, createNetwork, initializeNetwork } from '../model/network.ts';
import { shapeOfPlaces } from '../model/network-shape.ts';
import { createState } from '../model/recurrent-state.ts';
import { BatchTensors } from './batch-tensors.ts';
import { TeacherForcing } from './teacher-forcing.ts';

const [T, N, C] = [6, 2, 2];
const feed = { longest: T, sequences: N, continues: true };
const series = Float32Array.from({ length: (T + 1) * N * C }, (_, k) => Math.sin(k * 1.7));

/** A network that forecasts two columns, and a window of them. */
const setUp = (model: object, teacher_forcing: object) => {
  const backend = createReference({ precision: 'float64' });
  const spec = tinySpec({
    task: 'forecasting',
    model: { hidden_size: 4, ...model },
    training: { teacher_forcing },
  });
  const port = { kind: 'vectors', size: C } as const;
  const network = createNetwork(
    backend,
    spec.model,
    shapeOfPlaces(spec, { input: port, output: null, context: null, boundary: null }, 1),
  );
  initializeNetwork(network, 5);
  const host: HostBatch = {
    steps: T,
    lengths: null,
    sequences: null,
    inputs: series.slice(0, T * N * C),
    targets: series.slice(N * C),
    mask: new Int32Array(T * N).fill(1),
    count: T * N,
    context: null,
    tokens: T * N,
  };
  const forcing = new TeacherForcing(
    network,
    createGradients(network),
    feed,
    spec.training.teacher_forcing,
    T,
  );
  return { backend, network, host, forcing, tensors: new BatchTensors(network, feed) };
};

const recurrences = [
  { cell: 'gru' },
  { cell: 'elman', recurrence: 'output' },
  { cell: 'lstm', recurrence: 'both' },
];

test.each(recurrences)(
  'what a network trains on under "never" is what it reads in use: %o',
  async (model) => {
    const { backend, network, host, forcing, tensors } = setUp(model, { mode: 'never' });
    const loaded = tensors.load(host);
    const random = { seed: 1, step: 0, sequences: null };
    const { own = null } = await forcing.prepare(host, loaded, null, random);
    const state = createState(network, N);
    forcing.pass.run({ ...loaded, own, cutEvery: T, state, starts: true, random });
    const [trained] = await backend.download(forcing.pass.loss);

    const loop = new ClosedLoop(network, 1, N);
    loop.begin();
    // The first step is the window's; all others are what the network said before.
    let fed = series.slice(0, N * C);
    let sum = 0;
    for (let t = 0; t < T; t++) {
      loop.read(fed);
      fed = new Float32Array(await loop.next());
      fed.forEach((value, k) => {
        sum += (value - series[(t + 1) * N * C + k]!) ** 2;
      });
    }
    expect(trained).toBeCloseTo(sum / (T * N), 5);
  },
);

test.each(recurrences)('where the target is always fed, coins change nothing: %o', async (model) => {
  const lossWith = async (teacher_forcing: object): Promise<number> => {
    const { backend, network, host, forcing, tensors } = setUp(model, teacher_forcing);
    const loaded = tensors.load(host);
    const random = { seed: 1, step: 0, sequences: null };
    const { own = null } = await forcing.prepare(host, loaded, null, random);
    const state = createState(network, N);
    forcing.pass.run({ ...loaded, own, cutEvery: T, state, starts: true, random });
    return (await backend.download(forcing.pass.loss))[0]!;
  };
  expect(await lossWith({ mode: 'scheduled', floor: 1 })).toBeCloseTo(await lossWith({}), 12);
});

test('nothing is fed back at the first step, and the last target where a window goes on', async () => {
  const { backend, host, tensors } = setUp({ cell: 'gru', recurrence: 'both' }, {});
  const first = async (starts: boolean) =>
    Array.from((await backend.download(tensors.load(host, starts).feedback!)).subarray(0, 2 * N * C));
  const [before, later] = [series.subarray(0, N * C), series.subarray(N * C, 2 * N * C)];
  expect(await first(true)).toEqual([...new Array(N * C).fill(0), ...later]);
  expect(await first(false)).toEqual([...before, ...later]);
});
