import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import type { Backend, Tensor } from '@unfold/kernels';
import type { HostBatch } from '../data/feed.ts';
import {
  createGradients,
  createNetwork,
  initializeNetwork,
  type Network,
  releaseNetwork,
  releaseParameters,
} from '../model/network.ts';
import { type NetworkShape, shapeOf } from '../model/network-shape.ts';
import { selectParameters } from '../model/parameter-groups.ts';
import { countParameters } from '../model/parameter-table.ts';
import { createState, type RecurrentState, releaseState } from '../model/recurrent-state.ts';
import type { GradientPass } from '../model/training-pass.ts';
import type { FileMemory } from '../weights/safetensors.ts';
import { BatchTensors } from './batch-tensors.ts';
import {
  type Checkpoint,
  checkpointTensors,
  readCheckpoint,
  restoreTensors,
  rollbackPointOf,
  writeCheckpoint,
} from './checkpoint.ts';
import { expectMemory } from './device-memory.ts';
import { type Diagnostic, diagnose } from './diagnostics/diagnose.ts';
import { gradientNorms } from './diagnostics/gradient-norms.ts';
import { rollbackFactor } from './divergence.ts';
import type { MetricContext } from './metrics.ts';
import { expectSize } from './model-size.ts';
import { createOptimizer, type Optimizer } from './optimizer.ts';
import { RollbackPoint } from './rollback-point.ts';
import type { RunData } from './run-data.ts';
import { sampleText } from './sample-text.ts';
import { learningRateAt } from './schedule.ts';
import { StepLosses } from './step-losses.ts';
import { mixesTokens, TeacherForcing } from './teacher-forcing.ts';
import { initialState, type TrainingState } from './training-state.ts';
import { type TransferSource, transferWeights } from './transfer.ts';
import { Validation, type ValidationMetrics } from './validation.ts';

/** Where a run begins. */
export interface RunStart {
  /** null: at the beginning. */
  checkpoint: Checkpoint | null;
  /** What `start_from` names; null: random weights. */
  source: TransferSource | null;
  /** An existing folder. */
  scratch: string;
  /** Where checkpoints are written; fresh memory by default. */
  checkpointMemory?: FileMemory | undefined;
}

/** One run's network, optimizer, data and counters on a backend: knows how to do a step, not when to do what. */
export class TrainingRun {
  readonly spec: JobSpec;
  readonly data: RunData;
  /** Changed by `step` and by the loop that drives it. */
  state: TrainingState;
  readonly totalSteps: number;
  readonly #backend: Backend;
  readonly #network: Network;
  readonly #optimizer: Optimizer;
  readonly #pass: GradientPass;
  readonly #forcing: TeacherForcing;
  readonly #carried: RecurrentState;
  readonly #batch: BatchTensors;
  readonly #validation: Validation | null;
  readonly #norm: Tensor;
  readonly #nonFinite: Tensor;
  readonly #checkpointMemory: FileMemory | undefined;
  readonly #rollbackPoint: RollbackPoint;
  readonly #losses: StepLosses;
  #lastBatch: HostBatch | null = null;
  /** Gradient norms of the last step, if it is one that is diagnosed. */
  #lastNorms: Record<string, number | null> | null = null;

  constructor(spec: JobSpec, backend: Backend, data: RunData, start: RunStart) {
    const { checkpoint } = start;
    const { training } = spec;
    const { batches, longest, sequences } = data.training;
    const shape = shapeOf(spec, data.encoding, longest);
    expectSize(spec, shape);
    const steps = Math.min(training.bptt.window ?? longest, longest);
    if (backend.memory) expectMemory(spec, backend.memory, { lanes: sequences, steps }, shape);
    this.spec = spec;
    this.data = data;
    this.totalSteps = Math.min(training.max_steps ?? Number.POSITIVE_INFINITY, training.epochs * batches);
    this.#backend = backend;
    this.#checkpointMemory = start.checkpointMemory;
    this.#network = createNetwork(backend, spec.model, shape, mixesTokens(spec, shape));
    // Before the rest is made, since it leaves arrays behind: their memory is free again when the rest is.
    if (checkpoint === null) {
      initializeNetwork(this.#network, spec.seed);
      if (start.source) transferWeights(this.#network, spec, data.encoding, start.source);
    }
    const frozen = selectParameters(this.#network.table, spec.model, spec.start_from?.freeze ?? []);
    const gradients = createGradients(this.#network, frozen);
    this.#optimizer = createOptimizer(this.#network, gradients, training.optimizer);
    const cutEvery = training.bptt.window ?? longest;
    this.#forcing = new TeacherForcing(
      this.#network,
      gradients,
      data.training,
      training.teacher_forcing,
      cutEvery,
    );
    this.#pass = this.#forcing.pass;
    this.#carried = createState(this.#network, sequences);
    this.#batch = new BatchTensors(this.#network, data.training);
    this.#losses = new StepLosses(backend);
    this.#norm = backend.createTensor([1], 'double');
    this.#nonFinite = backend.createTensor([1], 'double');
    this.#validation = Validation.over(this.#network, spec, data);

    this.#rollbackPoint = new RollbackPoint(start.scratch);
    if (checkpoint === null) this.state = initialState(spec);
    else {
      restoreTensors(this.#network, this.#tensors(), checkpoint);
      this.state = structuredClone(checkpoint.record.state);
    }
  }

  /** Epochs done, with the fraction of the current one. */
  get epoch(): number {
    return this.state.epoch + this.state.window / this.data.training.batches;
  }

  /** What is predicted: text of a level, other tokens or labels, or numbers. */
  get output(): MetricContext['output'] {
    const { input, output } = this.data.encoding;
    const part = output ?? input;
    if (part.kind === 'text') return part.tokenizer.level;
    return part.kind === 'vectors' ? 'numbers' : 'names';
  }

  get shape(): NetworkShape {
    return this.#network.shape;
  }

  get parameters(): number {
    return countParameters(this.spec.model, this.#network.shape);
  }

  /** Remembers where a run that diverges goes back to. Call it once, before the first step. */
  async begin({ checkpoint }: RunStart): Promise<void> {
    if (checkpoint === null) await this.checkpoint(true);
    else await this.#rollbackPoint.save(rollbackPointOf(checkpoint));
  }

  /** Goes back to the last rollback point, at half the learning rate. */
  async rollBack(): Promise<void> {
    const { rollbacks, seconds } = this.state;
    this.#losses.forget();
    const point = readCheckpoint(await this.#rollbackPoint.load());
    restoreTensors(this.#network, this.#tensors(), point);
    this.state = { ...point.record.state, rollbacks: rollbacks + 1, seconds };
  }

  /**
   * One optimizer step: forward, backward, clipping, update. On a device of its own it is only enqueued, some steps ahead of what is known of their losses:
   * see `settle`.
   * @returns time steps of the batch that are no padding
   * @throws UnfoldError `diverged` if the loss or the gradients are no numbers any more
   */
  async step(): Promise<number> {
    const backend = this.#backend;
    const { training, seed } = this.spec;
    const { state } = this;
    const { batches } = this.data.training;
    const batch = this.data.training.load(state.epoch, state.window);
    const starts = state.window === 0 || !this.#carries;
    const loaded = this.#batch.load(batch, starts);
    this.#lastBatch = batch;
    const random = { seed, step: state.step, sequences: loaded.sequences };
    const fed = await this.#forcing.prepare(batch, loaded, starts ? null : this.#carried, random);
    const cutEvery = training.bptt.window ?? loaded.steps;
    // By its own count a batch of short sequences would weigh as much as one of long ones, and their length be learned wrongly.
    const { targets, endings } = this.data.training.perBatch;
    const call = { ...loaded, ...fed, cutEvery, state: this.#carried, starts, random };
    const ending = loaded.ending && { ...loaded.ending, count: endings };
    this.#pass.run({ ...call, count: targets, ending });

    const step = state.step + 1;
    const gradients = this.#pass.gradients.trained;
    backend.globalNorm({ tensors: gradients, norm: this.#norm });
    const byParameter = this.#isDiagnosed(step)
      ? await gradientNorms(this.#network, this.#pass.gradients)
      : null;
    this.#clip();
    const learningRate = this.#rateAt(step);
    this.#optimizer.apply(learningRate, step);

    const { loss, correct, lengthLoss } = this.#pass;
    this.#losses.add(
      step,
      { loss, correct, lengthLoss, norm: this.#norm },
      { targets: batch.count, weight: batch.count / targets, lengthWeight: batch.tokens / endings },
    );
    state.step = step;
    state.learning_rate = learningRate;
    state.tokens += batch.tokens;
    state.window += 1;
    if (state.window === batches) {
      state.window = 0;
      state.epoch += 1;
    }
    state.pending = true;
    this.#lastNorms = byParameter;
    await this.#losses.keepUp(state.sums);
    return batch.tokens;
  }

  /**
   * Waits for the losses of all steps so far: `state.sums` then counts them.
   * @throws UnfoldError `diverged`
   */
  async settle(): Promise<void> {
    await this.#losses.settle(this.state.sums);
  }

  /** Whether the state of one batch is the first of the next. */
  get #carries(): boolean {
    return this.data.training.continues && this.spec.training.bptt.stateful;
  }

  #isDiagnosed(step: number): boolean {
    const { diagnostics_every } = this.spec.training;
    return diagnostics_every !== null && step % diagnostics_every === 0;
  }

  /** What `diagnostics_every` asks for after the step that was just done: nothing after most. */
  async diagnose(): Promise<Diagnostic[]> {
    if (this.#lastNorms === null) return [];
    await this.settle();
    return [
      ...(await diagnose(this.#network, this.#lastBatch!, this.data.training.sequences)),
      { name: 'gradient_norms', data: { parameters: this.#lastNorms } },
    ];
  }

  #rateAt(step: number): number {
    const { schedule, optimizer } = this.spec.training;
    const { plateau, rollbacks } = this.state;
    const scheduled = learningRateAt(schedule, optimizer.learning_rate, step, this.totalSteps, plateau);
    return scheduled * rollbackFactor(rollbacks);
  }

  #clip(): void {
    const { clip } = this.spec.training;
    const tensors = this.#pass.gradients.trained;
    if (clip === null) return;
    if ('norm' in clip) this.#backend.clipByNorm({ tensors, norm: this.#norm, maximum: clip.norm });
    else this.#backend.clipByValue({ tensors, maximum: clip.value });
  }

  /** What the held-out part tells. Null if nothing is held out, or if it was interrupted. */
  async evaluate(interrupted: () => Promise<boolean>): Promise<ValidationMetrics | null> {
    return this.#validation?.run(this.state.step, interrupted) ?? null;
  }

  /** A sample of what it writes. Null if it writes none, or was interrupted. */
  async sample(interrupted: () => Promise<boolean>): Promise<string | null> {
    const { input } = this.data.encoding;
    if (this.spec.task !== 'language_model' || input.kind !== 'text') return null;
    return sampleText(
      this.#network,
      input.tokenizer,
      { seed: this.spec.seed, step: this.state.step },
      interrupted,
    );
  }

  /**
   * Everything that a bit-identical continuation needs.
   * @param isRollbackPoint from now on a run that diverges goes back to here; else the file carries the earlier point
   * @throws UnfoldError `diverged` rather than writing numbers that are none
   */
  async checkpoint(isRollbackPoint: boolean): Promise<Uint8Array> {
    const tensors = this.#tensors();
    this.#backend.countNonFinite({ tensors: tensors.map(({ tensor }) => tensor), count: this.#nonFinite });
    const [bad] = await this.#backend.download(this.#nonFinite);
    if (bad! > 0)
      throw new UnfoldError(
        'diverged',
        `Training diverged at step ${this.state.step}: ${bad} numbers of the parameters and the optimizer are not finite.`,
      );
    const content = {
      spec: this.spec,
      encoding: this.data.encoding,
      record: {
        version: 1 as const,
        state: this.state,
        source: this.data.source,
        engine: this.#backend.describe().engine,
      },
    };
    const carried = isRollbackPoint ? null : this.#rollbackPoint.carried();
    const bytes = await writeCheckpoint(this.#network, tensors, content, carried, this.#checkpointMemory);
    if (isRollbackPoint) await this.#rollbackPoint.save(bytes);
    return bytes;
  }

  #tensors(): { name: string; tensor: Tensor }[] {
    return checkpointTensors(this.#network, this.#optimizer, this.#carries ? this.#carried : null);
  }

  release(): void {
    this.data.training.close();
    this.#batch.release();
    this.#validation?.release();
    this.#forcing.release();
    releaseParameters(this.#backend, this.#pass.gradients);
    releaseNetwork(this.#network);
    releaseState(this.#backend, this.#carried);
    this.#backend.release(
      ...this.#optimizer.slots.flatMap(({ tensors }) => tensors.map(({ tensor }) => tensor)),
    );
    this.#backend.release(this.#norm, this.#nonFinite);
  }
}
