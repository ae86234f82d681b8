import type { JobSpec } from '@unfold/contracts';
import { type Backend, createRandomStream, type Parameter, type Tensor } from '@unfold/kernels';
import type { HostBatch } from '../src/data/feed.ts';
import { ClosedLoopPass } from '../src/model/closed-loop-pass.ts';
import { ForwardPass } from '../src/model/forward-pass.ts';
import type { HeadSums } from '../src/model/head.ts';
import { createGradients, createNetwork, initializeNetwork, upload } from '../src/model/network.ts';
import { shapeOf } from '../src/model/network-shape.ts';
import { createState, stateTensors } from '../src/model/recurrent-state.ts';
import { TrainingPass } from '../src/model/training-pass.ts';
import { BatchTensors } from '../src/training/batch-tensors.ts';
import { openRunData, type RunData } from '../src/training/run-data.ts';
import { closesLoop, mixesTokens } from '../src/training/teacher-forcing.ts';
import { scratchFolder } from './runs.ts';

export const openData = async (spec: JobSpec, data: string): Promise<RunData> =>
  (await openRunData({
    spec,
    data,
    validation: null,
    scratch: scratchFolder(),
    checkpoint: null,
    interrupted: () => false,
  }))!;

/** The network of a spec with room for the batches of its data, and what it learns from one of them. */
export const createRig = (spec: JobSpec, data: RunData, backend: Backend) => {
  const feed = data.training;
  const shape = shapeOf(spec, data.encoding, feed.longest);
  const network = createNetwork(backend, spec.model, shape, mixesTokens(spec, shape));
  initializeNetwork(network, 7);
  const gradients = createGradients(network);
  const Pass = closesLoop(spec.training.teacher_forcing, shape) ? ClosedLoopPass : TrainingPass;
  const pass = new Pass(
    network,
    gradients,
    Math.min(feed.longest, spec.training.bptt.window ?? feed.longest),
    feed.sequences,
  );
  const tensors = new BatchTensors(network, feed);
  const state = createState(network, feed.sequences);

  /**
   * Forward and backward as training does; the losses that are differentiated, together.
   * @param counts what the losses of outputs and of ends are divided by
   */
  const train = async (batch: HostBatch, counts = feed.perBatch): Promise<number> => {
    const loaded = tensors.load(batch);
    pass.run({
      ...loaded,
      count: counts.targets,
      ending: loaded.ending && { ...loaded.ending, count: counts.endings },
      cutEvery: spec.training.bptt.window ?? loaded.steps,
      state,
      starts: true,
      random: { seed: 3, step: 11, sequences: loaded.sequences },
    });
    const [loss, length] = await Promise.all([
      backend.download(pass.loss),
      backend.download(pass.lengthLoss),
    ]);
    return loss[0]! + length[0]!;
  };

  /**
   * What inference says of a batch: last states [N,H], what the heads read [T,N,K] and the losses [T,N]; [N,K] and [N] where there is one
   * output a sequence.
   */
  const infer = async (batch: HostBatch) => {
    const forward = new ForwardPass(network, feed.longest, feed.sequences);
    const loss = backend.createTensor([1], 'double');
    const loaded = tensors.load(batch);
    const made: Tensor[] = [];
    const lossesOf = async (run: (sums: HeadSums) => void) => {
      const losses = backend.createTensor(hidden.shape.slice(0, -1));
      made.push(losses);
      run({ loss, correct: null, losses });
      return backend.download(losses);
    };
    forward.begin(state, loaded.context);
    const hidden = forward.hidden(loaded, state);
    const { ending } = loaded;
    const found = {
      states: await Promise.all(stateTensors(state).map((tensor) => backend.download(tensor))),
      hidden: await backend.download(hidden),
      losses: await lossesOf((sums) => forward.losses(hidden, loaded, sums)),
      endings: ending ? await lossesOf((sums) => forward.endingLosses(hidden, ending, sums)) : null,
    };
    forward.release();
    backend.release(loss, ...made);
    return found;
  };
  return { backend, network, gradients, pass, tensors, state, feed, train, infer };
};

export type Rig = ReturnType<typeof createRig>;

/**
 * The difference between a parameter's gradient and central differences of the loss along a random direction, relative to the gradient's
 * size. An error of a thousandth goes unseen at a tolerance of 1e-6 where the direction is nearly perpendicular to it, which is one chance
 * in a thousand for each parameter of each case.
 * @param loss forward and backward
 */
export const gradientError = async (
  { backend, network, gradients }: Pick<Rig, 'backend' | 'network' | 'gradients'>,
  loss: () => Promise<number>,
  index: number,
): Promise<number> => {
  await loss();
  const gradient = await backend.download(gradients.all[index] as Parameter);
  const parameter = network.parameters.all[index]!;
  const values = (await backend.download(parameter)) as Float64Array;
  const random = createRandomStream({ seed: 5, purpose: 1, layer: index });
  const scale = Math.max(1e-3, Math.hypot(...gradient));
  const direction = values.map(() => random.normal());
  const at = async (shift: number): Promise<number> => {
    upload(
      backend,
      parameter,
      values.map((value, i) => value + shift * direction[i]!),
    );
    return loss();
  };
  const slope = async (epsilon: number): Promise<number> =>
    ((await at(epsilon)) - (await at(-epsilon))) / (2 * epsilon);
  // Richardson's extrapolation: normalised rows that hardly differ bend the loss so much that its third derivative shows.
  const numeric = (4 * (await slope(5e-6)) - (await slope(1e-5))) / 3;
  const expected = direction.reduce((sum, value, i) => sum + value * gradient[i]!, 0);
  upload(backend, parameter, values);
  return Math.abs(numeric - expected) / scale;
};
