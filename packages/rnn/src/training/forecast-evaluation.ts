import type { JobSpec } from '@unfold/contracts';
import type { Feed } from '../data/feed.ts';
import type { VectorEncoding } from '../data/records/record-encoding.ts';
import type { Network } from '../model/network.ts';
import { ClosedLoopEvaluation } from './closed-loop-evaluation.ts';
import { naiveLoss } from './naive-forecast.ts';
import type { RunData } from './run-data.ts';

/** What an evaluation of a forecast tells beside `validation_loss`. All losses are in its units, those of normalized numbers. */
export interface ForecastMetrics {
  /** Root mean square error of a series of one column, in the units of the data. */
  validation_rmse?: number;
  /** Loss of the forecast that every next value is the last one; of squared errors alone. */
  naive_validation_loss?: number;
  free_running_loss?: number;
  free_running_gap?: number;
  /** Loss, over the positions of `free_running_loss`, of the forecast that the last value stays. */
  naive_free_running_loss?: number;
}

/** Measures a forecast on the held-out part: over its horizon, and beside the naive one. */
export class ForecastEvaluation {
  readonly #closedLoop: ClosedLoopEvaluation;
  readonly #feed: Feed;
  /** A loss of 1 in the data's units; null where there is no such number. */
  readonly #unit: number | null;
  readonly #squares: boolean;
  #naive: number | null = null;

  /** null where the task is another, or nothing is held out */
  static over(network: Network, spec: JobSpec, data: RunData): ForecastEvaluation | null {
    if (data.horizon === null) return null;
    return new ForecastEvaluation(network, spec, data.horizon, data);
  }

  private constructor(network: Network, { series }: JobSpec, horizon: Feed, data: RunData) {
    const { width, normalization } = data.encoding.input as VectorEncoding;
    this.#squares = network.shape.loss === 'squared_error';
    this.#unit = this.#squares && width === 1 ? (normalization?.deviation[0] ?? 1) : null;
    this.#feed = data.validation!;
    this.#closedLoop = new ClosedLoopEvaluation(network, horizon, series.horizon);
  }

  /** @param interrupted asked now and then; the answer is null once it says true */
  async run(loss: number, interrupted: () => Promise<boolean>): Promise<ForecastMetrics | null> {
    const metrics: ForecastMetrics = {};
    if (this.#unit !== null) metrics.validation_rmse = Math.sqrt(loss) * this.#unit;
    if (this.#squares) {
      this.#naive ??= await naiveLoss(this.#feed, interrupted);
      if (this.#naive === null) return null;
      metrics.naive_validation_loss = this.#naive;
    }
    const measured = await this.#closedLoop.run(interrupted);
    if (measured === 'interrupted') return null;
    if (measured === null) return metrics;
    const { free, forced, naive } = measured;
    return {
      ...metrics,
      free_running_loss: free,
      free_running_gap: free - forced,
      ...(naive !== null && { naive_free_running_loss: naive }),
    };
  }

  release(): void {
    this.#closedLoop.release();
  }
}
