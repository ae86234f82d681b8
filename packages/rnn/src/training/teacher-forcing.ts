import type { JobSpec } from '@unfold/contracts';
import type { Tensor } from '@unfold/kernels';
import type { Feed, HostBatch } from '../data/feed.ts';
import { ClosedLoopPass } from '../model/closed-loop-pass.ts';
import type { PassRandom } from '../model/layer-stack.ts';
import type { GradientSet, Network } from '../model/network.ts';
import type { RecurrentState } from '../model/recurrent-state.ts';
import { type GradientPass, type TrainingCall, TrainingPass } from '../model/training-pass.ts';
import type { DeviceBatch } from './batch-tensors.ts';
import { forcedShare, tossCoins } from './coins.ts';
import { ScheduledSampling } from './scheduled-sampling.ts';

type Options = JobSpec['training']['teacher_forcing'];

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
  /** real [T,N], 1 where a network is fed its own numbers; null: a coin decides on none. */
  readonly #own: Tensor | null;

  /** @param cutEvery most steps that gradients flow through */
  constructor(
    network: Network,
    gradients: GradientSet,
    { longest, sequences }: Pick<Feed, 'longest' | 'sequences'>,
    options: Options,
    cutEvery: number,
  ) {
    const tosses = options.mode === 'scheduled';
    const discrete = network.shape.loss === 'softmax';
    const Pass = options.mode === 'never' || (tosses && !discrete) ? ClosedLoopPass : TrainingPass;
    this.#network = network;
    this.#options = options;
    this.#sequences = sequences;
    this.pass = new Pass(network, gradients, Math.min(longest, cutEvery), sequences);
    this.#sampling = tosses && discrete ? new ScheduledSampling(network, sequences) : null;
    this.#own = tosses && !discrete ? network.backend.createTensor([longest, sequences]) : null;
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
    return { own: this.#own && (await this.#mix(host, batch, random, share)) };
  }

  /** Takes the targets out of what is fed where a coin says that the network is fed its own numbers. */
  async #mix(host: HostBatch, batch: DeviceBatch, random: PassRandom, share: number): Promise<Tensor> {
    const { backend, shape } = this.#network;
    const feedback = batch.feedback!;
    const values = await backend.download(feedback);
    const own = new Array<number>(host.steps * this.#sequences).fill(0);
    tossCoins(host, this.#sequences, random, share).forEach((rows, t) => {
      for (const { n } of rows) {
        const row = t * this.#sequences + n;
        own[row] = 1;
        values.fill(0, row * shape.output.size, (row + 1) * shape.output.size);
      }
    });
    const factors = backend.view(this.#own!, 0, host.steps);
    backend.upload(factors, own);
    backend.upload(feedback, values);
    return factors;
  }

  release(): void {
    this.pass.release();
    this.#sampling?.release();
    if (this.#own) this.#network.backend.release(this.#own);
  }
}
