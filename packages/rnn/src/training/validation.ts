import type { JobSpec } from '@unfold/contracts';
import type { Network } from '../model/network.ts';
import { expectFinite } from './divergence.ts';
import { Evaluation } from './evaluation.ts';
import { ForecastEvaluation, type ForecastMetrics } from './forecast-evaluation.ts';
import { FreeRunning } from './free-running.ts';
import { FreeRunningLabels } from './free-running-labels.ts';
import { FreeRunningTexts } from './free-running-texts.ts';
import type { RunData } from './run-data.ts';

/** What the held-out part tells; a forecast tells more. */
export interface ValidationMetrics extends ForecastMetrics {
  validation_loss: number;
  validation_length_loss?: number;
  validation_accuracy?: number;
  free_running_accuracy?: number;
}

/** Measures a network fed with its own outputs; null where its task has none to feed it with, or the held-out part is too short. */
const freeRunningOver = (
  network: Network,
  { task, seed }: JobSpec,
  { text, validation, encoding }: RunData,
): FreeRunning | FreeRunningTexts | FreeRunningLabels | null => {
  if (validation === null) return null;
  if (text?.validation) return FreeRunning.over(network, text.file, text.validation, seed);
  const writesText = task === 'language_model' || task === 'conditional_generation';
  if (writesText && encoding.input.kind === 'text')
    return FreeRunningTexts.over(network, validation, encoding.input.tokenizer, seed);
  return task === 'sequence_labeling' && network.shape.feedback
    ? new FreeRunningLabels(network, validation)
    : null;
};

/** All that is measured on the held-out part: forced, in open loop, and beside a naive forecast. */
export class Validation {
  readonly #forced: Evaluation;
  readonly #freeRunning: FreeRunning | FreeRunningTexts | FreeRunningLabels | null;
  readonly #forecast: ForecastEvaluation | null;
  /** A text has its perplexity instead. */
  readonly #tellsAccuracy: boolean;

  /** null: nothing is held out. */
  static over(network: Network, spec: JobSpec, data: RunData): Validation | null {
    if (data.validation === null) return null;
    return new Validation(
      new Evaluation(network, data.validation, spec.training.bptt.stateful),
      freeRunningOver(network, spec, data),
      ForecastEvaluation.over(network, spec, data),
      spec.task !== 'language_model',
    );
  }

  private constructor(
    forced: Evaluation,
    freeRunning: FreeRunning | FreeRunningTexts | FreeRunningLabels | null,
    forecast: ForecastEvaluation | null,
    tellsAccuracy: boolean,
  ) {
    this.#forced = forced;
    this.#freeRunning = freeRunning;
    this.#forecast = forecast;
    this.#tellsAccuracy = tellsAccuracy;
  }

  /**
   * `validation_loss`; `free_running_loss`, and by how much it exceeds the forced loss of the same positions (`free_running_gap`), unless the
   * validation part is too short for them.
   * @param step the training step that is measured, for errors
   * @param interrupted asked now and then; the answer is null once it says true
   * @throws UnfoldError `diverged` if a loss is no number
   */
  async run(step: number, interrupted: () => Promise<boolean>): Promise<ValidationMetrics | null> {
    const measured = await this.#forced.run(interrupted);
    if (measured === null) return null;
    const { loss: validation_loss, length, accuracy } = measured;
    expectFinite(validation_loss, 'validation loss', step);
    const openLoop = await this.#openLoop(validation_loss, interrupted);
    if (openLoop === null) return null;
    expectFinite(openLoop.free_running_loss ?? 0, 'free-running loss', step);
    return {
      validation_loss,
      ...(length !== null && { validation_length_loss: length }),
      ...(accuracy !== null && this.#tellsAccuracy && { validation_accuracy: accuracy }),
      ...openLoop,
    };
  }

  async #openLoop(
    validationLoss: number,
    interrupted: () => Promise<boolean>,
  ): Promise<Omit<ValidationMetrics, 'validation_loss'> | null> {
    if (this.#forecast) return this.#forecast.run(validationLoss, interrupted);
    if (this.#freeRunning === null) return {};
    const losses = await this.#freeRunning.run(interrupted);
    if (losses === null) return null;
    return {
      free_running_loss: losses.free,
      free_running_gap: losses.free - losses.forced,
      ...(losses.accuracy !== null && { free_running_accuracy: losses.accuracy }),
    };
  }

  release(): void {
    this.#forced.release();
    this.#freeRunning?.release();
    this.#forecast?.release();
  }
}
