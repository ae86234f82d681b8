import type { JobSpec } from '@unfold/contracts';
import type { Tensor } from '@unfold/kernels';
import type { Feed, HostBatch } from '../data/feed.ts';
import { ClosedLoopPass } from '../model/closed-loop-pass.ts';
import type { PassRandom } from '../model/layer-stack.ts';
import type { GradientSet, Network } from '../model/network.ts';
import type { NetworkShape } from '../model/network-shape.ts';
import type { RecurrentState } from '../model/recurrent-state.ts';
import { type GradientPass, type TrainingCall, TrainingPass } from '../model/training-pass.ts';
import type { DeviceBatch } from './batch-tensors.ts';
import { forcedShare, tossCoins } from './coins.ts';
import { ScheduledSampling } from './scheduled-sampling.ts';

type Options = JobSpec['training']['teacher_forcing'];

/** Whether training goes step by step, since gradients flow back through what a network answered: through numbers, or through ŷ. */
export const closesLoop = ({ mode }: Options, { loss }: Pick<NetworkShape, 'loss'>): boolean =>
  mode === 'never' || (mode === 'scheduled' && loss !== 'softmax');

/** Whether layer 0 must read mixtures of tokens that are not embedded: a text's ŷ, see `createNetwork`. */
export const mixesTokens = ({ model, training }: JobSpec, shape: NetworkShape): boolean =>
  closesLoop(training.teacher_forcing, shape) &&
  shape.readsOutputs &&
  shape.loss === 'softmax' &&
  model.embedding_size === null;

/**
 * What a network is fed of the step before, in training. The target, always: all steps at once. By a coin the target or a sample of the
 * answer: the samples first, then all steps at once. What the network answered itself, always or (numbers) by a coin: step by step, since
 * gradients flow back through it.
 */
export class TeacherForcing {
  readonly pass: GradientPass;
  readonly #network: Network;
  readonly #options: Options;
  readonly #sequences: number;
  readonly #sampling: ScheduledSampling | null;
  /** real [T,N], which sum to 1: whether a network is fed its own numbers, or what is known; null: no numbers, or none of its own. */
  readonly #own: { own: Tensor; known: Tensor } | null;

  /** @param cutEvery most steps that gradients flow through */
  constructor(
    network: Network,
    gradients: GradientSet,
    { longest, sequences }: Pick<Feed, 'longest' | 'sequences'>,
    options: Options,
    cutEvery: number,
  ) {
    const { backend, shape } = network;
    const discrete = shape.loss === 'softmax';
    const Pass = closesLoop(options, shape) ? ClosedLoopPass : TrainingPass;
    const factors = (): Tensor => backend.createTensor([longest, sequences]);
    this.#network = network;
    this.#options = options;
    this.#sequences = sequences;
    this.pass = new Pass(network, gradients, Math.min(longest, cutEvery), sequences);
    this.#sampling =
      options.mode === 'scheduled' && discrete ? new ScheduledSampling(network, sequences) : null;
    this.#own = options.mode !== 'always' && !discrete ? { own: factors(), known: factors() } : null;
  }

  /**
   * Makes a batch feed what it should at this step of training.
   * @param start the states that the batch starts from; null: first states
   */
  async prepare(
    host: HostBatch,
    batch: DeviceBatch,
    start: RecurrentState | null,
    random: PassRandom,
  ): Promise<Pick<TrainingCall, 'own'>> {
    const share = forcedShare(this.#options, random.step);
    await this.#sampling?.draw(host, batch, start, random, share);
    return { own: this.#own && this.#mix(host, batch, random, share) };
  }

  /** Takes what is known out of what is fed, and out of inputs that are outputs, where the network is fed its own numbers. */
  #mix(host: HostBatch, batch: DeviceBatch, random: PassRandom, share: number): Tensor {
    const { backend, shape } = this.#network;
    const values = new Array<number>(host.steps * this.#sequences).fill(0);
    tossCoins(host, this.#sequences, random, share).forEach((rows, t) => {
      for (const { n } of rows) values[t * this.#sequences + n] = 1;
    });
    const [own, known] = [this.#own!.own, this.#own!.known].map((each) => backend.view(each, 0, host.steps));
    backend.upload(own!, values);
    backend.upload(
      known!,
      values.map((value) => 1 - value),
    );
    for (const each of [batch.feedback, shape.readsOutputs ? batch.inputs : null])
      if (each) backend.scaleRows({ input: each, factors: known!, output: each });
    return own!;
  }

  release(): void {
    this.pass.release();
    this.#sampling?.release();
    if (this.#own) this.#network.backend.release(this.#own.own, this.#own.known);
  }
}
