import type { Parameter } from '@unfold/kernels';
import type { HostBatch } from '../data/feed.ts';
import type { PassRandom } from '../model/layer-stack.ts';
import type { Network } from '../model/network.ts';
import type { RecurrentState } from '../model/recurrent-state.ts';
import { StepwisePass } from '../model/stepwise-pass.ts';
import type { DeviceBatch } from './batch-tensors.ts';
import { tossCoins } from './coins.ts';

/** The first token whose cumulated probability exceeds a uniform draw; the last that can be drawn at all where rounding leaves none. */
const drawToken = (probabilities: ArrayLike<number>, uniform: number): number => {
  let last = 0;
  let remaining = uniform;
  for (let v = 0; v < probabilities.length; v++) {
    if (probabilities[v]! > 0) last = v;
    remaining -= probabilities[v]!;
    if (remaining < 0) return v;
  }
  return last;
};

/**
 * Scheduled sampling: a coin per token decides whether a network is fed the target of the step before or a sample of what it answered there.
 * The samples are drawn in a pass of single steps, with the masks of training; as no gradient flows through a sample, training then takes what
 * was fed for given and computes all steps at once.
 */
export class ScheduledSampling {
  readonly #network: Network;
  readonly #sequences: number;
  readonly #pass: StepwisePass;
  /** Running statistics as they were before the draws, which count for nothing. */
  readonly #statistics: { own: Parameter; before: Parameter }[];

  constructor(network: Network, sequences: number) {
    const { backend, buffers } = network;
    this.#network = network;
    this.#sequences = sequences;
    this.#pass = new StepwisePass(network, sequences);
    this.#statistics = buffers.map(({ tensor: own }) => ({ own, before: backend.like(own) }));
  }

  /**
   * Replaces targets by samples in what the batch feeds: its feedback or, in a network that reads what it wrote, its inputs.
   * @param start the states that the batch starts from; null: first states
   * @param share ε
   */
  async draw(
    host: HostBatch,
    batch: DeviceBatch,
    start: RecurrentState | null,
    random: PassRandom,
    share: number,
  ): Promise<void> {
    const { backend } = this.#network;
    const draws = tossCoins(host, this.#sequences, random, share);
    const last = draws.findLastIndex((each) => each.length > 0);
    if (last < 1) return;
    const fed = batch.feedback ?? batch.inputs;
    const values = (await backend.download(fed)) as Int32Array;
    const N = this.#sequences;
    for (const { own, before } of this.#statistics) backend.copy({ source: own, target: before });
    this.#pass.begin(batch, start);
    for (let t = 1; t <= last; t++) {
      this.#pass.step(batch, t - 1, random);
      if (draws[t]!.length === 0) continue;
      const row = values.subarray(t * N, (t + 1) * N);
      const { outputs } = this.#pass;
      backend.softmax({ logits: outputs, output: outputs });
      const probabilities = await backend.download(outputs);
      const V = probabilities.length / N;
      for (const { n, uniform } of draws[t]!)
        row[n] = drawToken(probabilities.subarray(n * V, (n + 1) * V), uniform);
      backend.upload(backend.view(fed, t, 1), row);
    }
    for (const { own, before } of this.#statistics) backend.copy({ source: before, target: own });
  }

  release(): void {
    this.#pass.release();
    this.#network.backend.release(...this.#statistics.map(({ before }) => before));
  }
}
