import { createReference, type TensorValues } from '@unfold/kernels';
import { expect, test } from 'vitest';
import { tinySpec } from '../../test-support/runs.ts';
import type { HostBatch } from '../data/feed.ts';
import { createNetwork } from '../model/network.ts';
import { BatchTensors } from './batch-tensors.ts';
import { forcedShare } from './coins.ts';
import { ScheduledSampling } from './scheduled-sampling.ts';

const [T, N, V] = [40, 50, 3];

/** What is fed to a network whose answers are drawn from 0.2, 0.3 and 0.5 at every step, while the targets are all 0. */
const fedBy = async (share: number, step: number): Promise<TensorValues> => {
  const backend = createReference();
  const port = { kind: 'tokens', size: V } as const;
  const { model } = tinySpec({ task: 'sequence_labeling', model: { cell: 'elman', recurrence: 'output' } });
  const network = createNetwork(backend, model, {
    input: port,
    output: port,
    loss: 'softmax',
    excluded: null,
    outputAt: 'steps',
    feedback: port,
    readsOutputs: false,
    context: null,
    normSteps: 1,
  });
  backend.upload(network.parameters.decoder.bias, [0.2, 0.3, 0.5].map(Math.log));
  const host: HostBatch = {
    steps: T,
    // The last sequence is short.
    lengths: Int32Array.from({ length: N }, (_, n) => (n === N - 1 ? 5 : T)),
    sequences: Int32Array.from({ length: N }, (_, n) => 100 + n),
    inputs: new Int32Array(T * N),
    targets: new Int32Array(T * N),
    mask: null,
    count: T * N,
    context: null,
    tokens: T * N,
  };
  const batch = new BatchTensors(network, { longest: T, sequences: N, continues: false }).load(host);
  const random = { seed: 7, step, sequences: batch.sequences };
  await new ScheduledSampling(network, N).draw(host, batch, null, random, share);
  return backend.download(batch.feedback!);
};

test('a coin decides between the target and a sample of the answer, which follows its distribution', async () => {
  const fed = await fedBy(0.4, 5);
  expect([...fed.subarray(0, N)]).toEqual(new Array(N).fill(-1));
  const drawn = fed.filter((_, k) => k >= N && k % N < N - 1);
  const shareOf = (token: number): number => drawn.filter((each) => each === token).length / drawn.length;
  // 1911 draws: three standard deviations are 0.034 at most.
  expect(shareOf(0)).toBeCloseTo(0.4 + 0.6 * 0.2, 1);
  expect(Math.abs(shareOf(1) - 0.6 * 0.3)).toBeLessThan(0.034);
  expect(Math.abs(shareOf(2) - 0.6 * 0.5)).toBeLessThan(0.034);
  const beyond = fed.filter((_, k) => k % N === N - 1 && k >= 5 * N);
  expect([...beyond]).toEqual(new Array(T - 5).fill(0));
});

test('draws are those of their place: the same again, others at another step', async () => {
  expect(await fedBy(0.4, 5)).toEqual(await fedBy(0.4, 5));
  expect(await fedBy(0.4, 5)).not.toEqual(await fedBy(0.4, 6));
});

test('the share of targets falls as its schedule says', () => {
  const share = (options: Record<string, unknown>, step: number): number =>
    forcedShare(
      tinySpec({
        task: 'sequence_labeling',
        model: { recurrence: 'both' },
        training: { teacher_forcing: { mode: 'scheduled', ...options } },
      }).training.teacher_forcing,
      step,
    );
  expect(share({ schedule: 'linear', c: 0.25 }, 0)).toBe(1);
  expect(share({ schedule: 'linear', c: 0.25 }, 3)).toBe(0.25);
  expect(share({ schedule: 'linear', c: 0.25, floor: 0.5 }, 100)).toBe(0.5);
  expect(share({ schedule: 'exponential', k: 0.5 }, 3)).toBe(0.125);
  expect(share({ schedule: 'inverse_sigmoid', k: 10 }, 0)).toBeCloseTo(10 / 11, 12);
  expect(share({ schedule: 'inverse_sigmoid', k: 10 }, 20)).toBeCloseTo(10 / (10 + Math.E ** 2), 12);
  expect(share({ schedule: 'inverse_sigmoid', k: 1 }, 1e6)).toBe(0);
});
