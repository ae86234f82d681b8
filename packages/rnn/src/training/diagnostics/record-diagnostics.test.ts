import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { createRig, openData, type Rig } from '../../../test-support/network-rig.ts';
import { type RecordTask, recordTasks, specOfTask } from '../../../test-support/record-tasks.ts';
import { logsOf, record } from '../../../test-support/runs.ts';
import type { HostBatch } from '../../data/feed.ts';
import { ForwardPass } from '../../model/forward-pass.ts';
import { upload } from '../../model/network.ts';
import { inputWithin, targetsWithin } from '../../model/pass-batch.ts';
import { createState, releaseState } from '../../model/recurrent-state.ts';
import { BatchTensors } from '../batch-tensors.ts';
import { columnsOf, lastTarget } from './batch-columns.ts';
import { diagnose } from './diagnose.ts';
import type { LayerGradients } from './gradients-through-time.ts';

const H = 3;

/** ‖∂L_T / ∂h_{T−lag}‖ of one sequence of T steps in a network of one layer, by central differences. */
const measured = async ({ network, backend }: Rig, batch: HostBatch, lag: number): Promise<number> => {
  const { steps } = batch;
  const tensors = new BatchTensors(network, { longest: steps, sequences: 1, continues: true });
  const loaded = tensors.load({ ...batch, lengths: batch.lengths && Int32Array.of(batch.lengths[0]!) });
  const pass = new ForwardPass(network, steps, 1);
  const loss = backend.createTensor([1], 'double');
  const ends = network.shape.outputAt === 'end';
  const part = (first: number, count: number) => ({
    ...inputWithin(backend, loaded, first, count),
    lengths: null,
    firstStep: first,
  });
  const lossAt = async (unit: number, shift: number): Promise<number> => {
    const state = createState(network, 1);
    pass.begin(state, loaded.context);
    pass.hidden(part(0, steps - lag), state);
    const h = (await backend.download(state.h[0]!)) as Float64Array;
    h[unit]! += shift;
    upload(backend, state.h[0]!, h);
    const hidden = pass.hidden(part(steps - lag, lag), state);
    const last = ends ? loaded : targetsWithin(backend, loaded, steps - 1, 1);
    backend.zero(loss);
    pass.losses(
      ends ? hidden : backend.view(hidden, lag - 1, 1),
      { ...last, mask: null, count: 1 },
      { loss, correct: null, losses: null },
    );
    releaseState(backend, state);
    return (await backend.download(loss))[0]!;
  };
  const epsilon = 1e-5;
  let sum = 0;
  for (let unit = 0; unit < H; unit++)
    sum += (((await lossAt(unit, epsilon)) - (await lossAt(unit, -epsilon))) / (2 * epsilon)) ** 2;
  pass.release();
  tensors.release();
  backend.release(loss);
  return Math.sqrt(sum);
};

const plain = recordTasks.filter(
  ([, { model }]) => !model?.bidirectional && (model?.recurrence ?? 'hidden') === 'hidden',
);

describe('diagnostics of records', () => {
  test.each(
    plain.flatMap(([name, task]) =>
      ['elman', 'lstm', 'gru'].map((cell): [string, string, RecordTask] => [name, cell, task]),
    ),
  )('tell gradients through time by the lag from each last target: %s, %s', async (_, cell, task) => {
    const spec = specOfTask(task, { cell, num_layers: 1 });
    const rig = createRig(spec, await openData(spec, task.data()), createReference({ precision: 'float64' }));
    const batch = rig.feed.load(0, 0);
    const sequences = rig.feed.sequences;
    const found = await diagnose(rig.network, batch, sequences);
    const { layers } = found.find(({ name }) => name === 'gradients_through_time')!.data as {
      layers: LayerGradients[];
    };
    const all: number[][] = [];
    for (let first = 0; first < sequences; first++) {
      const steps = lastTarget(batch, { sequences, row: first, most: 256 });
      const own = columnsOf(batch, { sequences, first, count: 1, steps });
      const norms: number[] = [];
      for (let lag = 1; lag < steps; lag++) norms.push(await measured(rig, own, lag));
      all.push(norms);
    }
    const longest = Math.max(...all.map((norms) => norms.length));
    expect(layers[0]!.h).toHaveLength(longest + 1);
    for (let k = 0; k < longest; k++) {
      const reaching = all.filter((norms) => k < norms.length);
      const mean = Math.sqrt(reaching.reduce((sum, norms) => sum + norms[k]! ** 2, 0) / reaching.length);
      expect(Math.abs(layers[0]!.h[k + 1]! - mean), `lag ${k + 1}`).toBeLessThan(1e-8 + 1e-6 * mean);
    }
  });

  test.each(recordTasks)('are told in training, or said not to be: %s', async (_, task) => {
    const spec = specOfTask({
      ...task,
      training: { ...task.training, max_steps: 2, diagnostics_every: 2 },
    });
    const run = await record({ spec, data: task.data() });
    const names = run.events.flatMap((event) => (event.type === 'diagnostic' ? [event.name] : []));
    const isPlain = plain.some(([, each]) => each === task);
    expect(names).toEqual(
      isPlain
        ? ['gradients_through_time', 'spectral_radius', 'saturation', 'gradient_norms']
        : ['spectral_radius', 'gradient_norms'],
    );
    expect(logsOf(run).some((message) => message.includes('neither gradients through time'))).toBe(!isPlain);
  });
});
