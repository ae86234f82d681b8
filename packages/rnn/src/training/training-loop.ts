import type { JobSpec, UnfoldError } from '@unfold/contracts';
import { nextTurn } from '../event-loop.ts';
import type { Checkpoint } from './checkpoint.ts';
import { finalDivergence, isDivergence, mostRollbacks } from './divergence.ts';
import { observeEvaluation } from './early-stopping.ts';
import type { CheckpointReason, ControlAnswer, TrainingEvent, TrainingOutcome } from './events.ts';
import { windowMetrics } from './metrics.ts';
import { afterEvaluation } from './schedule.ts';
import type { TrainingRun } from './training-run.ts';
import { emptySums, type TrainingState } from './training-state.ts';

/** Without `checkpoint_every`, seconds between checkpoints. */
const checkpointSeconds = 30;
const progressSeconds = 0.5;

/** Whether a resumed run was given more to do than when its checkpoint was written. */
const wasExtended = (spec: JobSpec, earlier: JobSpec): boolean =>
  spec.training.epochs > earlier.training.epochs ||
  (spec.training.max_steps ?? Number.POSITIVE_INFINITY) >
    (earlier.training.max_steps ?? Number.POSITIVE_INFINITY);

/** Decides after every step what else is due: evaluation, sample, metric, checkpoint, end. */
export class TrainingLoop {
  readonly #run: TrainingRun;
  readonly #control: () => ControlAnswer;
  #secondsBefore: number;
  #startedAt = performance.now();
  #stepsBefore: number;
  /** Of the metric window, as far as this attempt saw it: optimizer steps and the time they took, evaluations left out. */
  #window = { seconds: 0, steps: 0, tokens: 0 };
  #checkpointAt = performance.now();
  #progressAt = Number.NEGATIVE_INFINITY;
  #wish: ControlAnswer = 'continue';

  constructor(run: TrainingRun, control: () => ControlAnswer) {
    this.#run = run;
    this.#control = control;
    this.#secondsBefore = run.state.seconds;
    this.#stepsBefore = run.state.step;
  }

  async *run(checkpoint: Checkpoint | null): AsyncGenerator<TrainingEvent, TrainingOutcome> {
    const { state, spec } = this.#run;
    if (checkpoint && state.stopped_early && wasExtended(spec, checkpoint.spec)) {
      state.stopped_early = false;
      state.early_stopping.bad = 0;
    }
    // How many steps there will be is asked for before the first of them is done.
    yield this.#progress();
    for (;;) {
      try {
        const outcome = yield* this.#advance();
        if (outcome) return outcome;
      } catch (error) {
        if (!isDivergence(error)) throw error;
        yield* this.#rollBack(error);
      }
    }
  }

  /** What is left to do after the last step, then the next one. */
  async *#advance(): AsyncGenerator<TrainingEvent, TrainingOutcome | null> {
    if (this.#run.state.pending) {
      const outcome = yield* this.#afterStep();
      if (outcome) return outcome;
    } else if (this.#isOver()) return yield* this.#finish();
    const startedAt = performance.now();
    this.#window.tokens += await this.#run.step();
    this.#window.seconds += (performance.now() - startedAt) / 1000;
    this.#window.steps += 1;
    this.#run.state.seconds = this.#seconds();
    // Told before anything that can be interrupted, so that nobody tells it twice.
    for (const diagnostic of await this.#run.diagnose())
      yield { type: 'diagnostic', step: this.#run.state.step, ...diagnostic };
    await nextTurn();
    return null;
  }

  /** Goes back to the last rollback point. The checkpoint written there again saves a killed run from diverging anew. */
  async *#rollBack(error: UnfoldError): AsyncGenerator<TrainingEvent> {
    const run = this.#run;
    const exhausted = run.state.rollbacks >= mostRollbacks;
    run.state.seconds = this.#seconds();
    await run.rollBack();
    const { step, seconds } = run.state;
    if (exhausted) throw finalDivergence(error, step);
    this.#secondsBefore = seconds;
    this.#startedAt = performance.now();
    this.#stepsBefore = step;
    this.#window = { seconds: 0, steps: 0, tokens: 0 };
    yield { type: 'restart', from_step: step, reason: 'rolled_back' };
    yield {
      type: 'log',
      level: 'warning',
      message: `${error.message} Going on from step ${step} at half the learning rate.`,
    };
    yield await this.#checkpoint('scheduled', true);
  }

  #seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#startedAt) / 1000;
  }

  #isOver(): boolean {
    const { state, totalSteps, spec } = this.#run;
    const { max_seconds } = spec.training;
    return (
      state.stopped_early ||
      state.step >= totalSteps ||
      (max_seconds !== null && state.seconds >= max_seconds)
    );
  }

  /** A wish to stop overrides one for a checkpoint, and neither is forgotten once uttered. */
  #ask(): ControlAnswer {
    const answer = this.#control();
    if (answer === 'stop' || this.#wish === 'continue') this.#wish = answer;
    return this.#wish;
  }

  readonly #interrupted = async (): Promise<boolean> => {
    await nextTurn();
    return this.#ask() === 'stop';
  };

  async *#afterStep(): AsyncGenerator<TrainingEvent, TrainingOutcome | null> {
    const { state, spec } = this.#run;
    const { training } = spec;
    const { step } = state;
    const over = this.#isOver();
    const due = (every: number | null, otherwise: boolean): boolean =>
      every === null ? otherwise : step % every === 0;
    const evaluates = due(training.evaluate_every, state.window === 0) || over;
    const samples = due(training.sample_every, evaluates);
    const logs = step % training.log_every === 0;
    // What is told of a run is told of steps that are known to be good.
    if (evaluates || samples || logs) await this.#settle();

    const evaluated = evaluates ? await this.#run.evaluate(this.#interrupted) : null;
    const validationLoss = evaluated?.validation_loss ?? null;
    const sample = samples && this.#wish !== 'stop' ? await this.#run.sample(this.#interrupted) : null;
    // What was interrupted is done again by the next attempt, so that nothing of it may be told or remembered yet.
    if (this.#wish === 'stop' && (evaluates || samples)) return yield* this.#stop(false);

    const stopsEarly = validationLoss !== null && this.#remember(validationLoss);
    const ends = over || stopsEarly;
    state.pending = false;
    const values: Record<string, number> = {};
    if ((logs || ends) && state.sums.steps > 0) Object.assign(values, this.#takeMetrics());
    Object.assign(values, evaluated);
    if (Object.keys(values).length > 0) {
      yield { type: 'metric', step, values };
      yield this.#progress();
    } else if (performance.now() - this.#progressAt > 1000 * progressSeconds) yield this.#progress();
    if (sample !== null) yield { type: 'sample', step, text: sample };

    if (ends) return yield* this.#finish();
    return yield* this.#checkpointIfDue(
      validationLoss !== null || (evaluates && spec.training.checkpoint_every === null),
    );
  }

  /** Takes note of an evaluation; true if it is early stopping's last. */
  #remember(loss: number): boolean {
    const { state, spec } = this.#run;
    const { early_stopping, schedule } = spec.training;
    state.last_evaluation = { step: state.step, loss };
    if (state.best === null || loss < state.best.loss) state.best = { step: state.step, loss };
    state.plateau = afterEvaluation(schedule, state.plateau, loss);
    const observed = observeEvaluation(early_stopping, state.early_stopping, loss);
    state.early_stopping = observed.state;
    state.stopped_early = observed.stop;
    return observed.stop;
  }

  /** Waits for the losses of all steps so far, which is part of their time. */
  async #settle(): Promise<void> {
    const startedAt = performance.now();
    await this.#run.settle();
    this.#window.seconds += (performance.now() - startedAt) / 1000;
  }

  #takeMetrics(): Record<string, number> {
    const run = this.#run;
    const { seconds, steps, tokens } = this.#window;
    const values = windowMetrics(run.state.sums, {
      output: run.output,
      ends: run.spec.model.length !== 'eos',
      learningRate: run.state.learning_rate,
      epoch: run.epoch,
      tokensPerSecond: steps > 0 ? tokens / seconds : null,
      etaSeconds: this.#eta(),
    });
    run.state.sums = emptySums();
    this.#window = { seconds: 0, steps: 0, tokens: 0 };
    return values;
  }

  #eta(): number | null {
    const { state, totalSteps, spec } = this.#run;
    const done = state.step - this.#stepsBefore;
    if (state.stopped_early) return 0;
    if (done === 0) return state.step >= totalSteps ? 0 : null;
    const perStep = (performance.now() - this.#startedAt) / 1000 / done;
    const left = (totalSteps - state.step) * perStep;
    const { max_seconds } = spec.training;
    return max_seconds === null ? left : Math.max(0, Math.min(left, max_seconds - state.seconds));
  }

  #share(): number {
    const { state, totalSteps, spec } = this.#run;
    const { max_seconds } = spec.training;
    if (state.stopped_early) return 1;
    const ofTime = max_seconds === null ? 0 : this.#seconds() / max_seconds;
    return Math.min(1, Math.max(state.step / totalSteps, ofTime));
  }

  #progress(): TrainingEvent {
    const { state, totalSteps, epoch } = this.#run;
    this.#progressAt = performance.now();
    return {
      type: 'progress',
      step: state.step,
      total_steps: totalSteps,
      epoch,
      tokens: state.tokens,
      seconds: this.#seconds(),
      share: this.#share(),
      eta_seconds: this.#eta(),
    };
  }

  async *#checkpointIfDue(evaluated: boolean): AsyncGenerator<TrainingEvent, TrainingOutcome | null> {
    const { state, spec } = this.#run;
    const { checkpoint_every, early_stopping } = spec.training;
    const wish = this.#ask();
    const bestToKeep = early_stopping !== null && state.best?.step === state.step;
    const timed = performance.now() - this.#checkpointAt >= 1000 * checkpointSeconds;
    const scheduled = checkpoint_every !== null && state.step % checkpoint_every === 0;
    const afterEvaluation = (evaluated && checkpoint_every === null) || bestToKeep;
    // What every run of this spec writes, whatever the clock and the wishes.
    const isRollbackPoint = afterEvaluation || scheduled;
    if (wish === 'stop') return yield* this.#stop(isRollbackPoint);
    if (wish === 'checkpoint') yield await this.#checkpoint('requested', isRollbackPoint);
    else if (afterEvaluation) yield await this.#checkpoint('evaluation', true);
    else if (scheduled) yield await this.#checkpoint('scheduled', true);
    else if (timed && checkpoint_every === null) yield await this.#checkpoint('scheduled', false);
    return null;
  }

  async *#stop(isRollbackPoint: boolean): AsyncGenerator<TrainingEvent, TrainingOutcome> {
    yield await this.#checkpoint('requested', isRollbackPoint);
    return { type: 'stopped', step: this.#run.state.step };
  }

  async *#finish(): AsyncGenerator<TrainingEvent, TrainingOutcome> {
    yield await this.#checkpoint('final', true);
    return { type: 'completed', step: this.#run.state.step };
  }

  async #checkpoint(reason: CheckpointReason, isRollbackPoint: boolean): Promise<TrainingEvent> {
    await this.#settle();
    const { state, parameters, shape } = this.#run;
    state.seconds = this.#seconds();
    const data = await this.#run.checkpoint(isRollbackPoint);
    this.#checkpointAt = performance.now();
    this.#wish = 'continue';
    return {
      type: 'checkpoint',
      step: state.step,
      data,
      reason,
      validation_loss: measuredNow(state)?.loss ?? null,
      best: !state.pending && state.best?.step === state.step,
      parameters,
      vocabulary_size: shape.output.size,
    };
  }
}

/** The evaluation of this very step, if there was one. */
const measuredNow = ({ step, pending, last_evaluation }: TrainingState) =>
  !pending && last_evaluation?.step === step ? last_evaluation : null;
