import { closeSync, openSync, readSync } from 'node:fs';
import { UnfoldError } from '@unfold/contracts/values';
import { type BatchPlan, planTraining, planValidation, windowSteps } from '../batch-plan.ts';
import type { VectorEncoding } from './record-encoding.ts';
import type { RecordFile } from './record-file.ts';
import { indexEntryBytes } from './record-writer.ts';

/** Reads windows of an endless series: `plan.lanes` contiguous stretches side by side, as those of an endless text. */
export class SeriesWindows {
  readonly plan: BatchPlan;
  /** Numbers of a time step. */
  readonly width: number;
  #file: number;
  #lane: Float32Array;
  #offset: number;

  /** @throws UnfoldError `text_too_short` for a part without a whole window, or without two steps to validate on */
  constructor(file: RecordFile, part: 'training' | 'validation', batchSize: number, sequenceLength: number) {
    const index = file[part]!;
    this.plan =
      part === 'training'
        ? planTraining(index.steps, batchSize, sequenceLength)
        : planValidation(0, index.steps, batchSize, sequenceLength, 'validation_file');
    this.width = (file.encoding.input as VectorEncoding).width;
    this.#lane = new Float32Array((sequenceLength + 1) * this.width);
    const entry = new Uint8Array(indexEntryBytes);
    const entries = openSync(index.path, 'r');
    readSync(entries, entry);
    closeSync(entries);
    this.#offset = new DataView(entry.buffer).getFloat64(0, true);
    this.#file = openSync(file.path, 'r');
  }

  /**
   * Fills `inputs` and `targets`, time-major [T,N,C], with window `window`; the target of a step is the next step.
   * @returns T
   */
  load(window: number, inputs: Float32Array, targets: Float32Array): number {
    const { lanes, laneSteps, sequenceLength } = this.plan;
    const { width } = this;
    const steps = windowSteps(this.plan, window);
    for (let lane = 0; lane < lanes; lane++) {
      this.#read(lane * laneSteps + window * sequenceLength, steps + 1);
      for (let t = 0; t < steps; t++) {
        const at = (t * lanes + lane) * width;
        inputs.set(this.#lane.subarray(t * width, (t + 1) * width), at);
        targets.set(this.#lane.subarray((t + 1) * width, (t + 2) * width), at);
      }
    }
    return steps;
  }

  close(): void {
    closeSync(this.#file);
  }

  #read(step: number, steps: number): void {
    const bytes = new Uint8Array(this.#lane.buffer, 0, steps * this.width * 4);
    for (let filled = 0; filled < bytes.length; ) {
      const from = this.#offset + step * this.width * 4 + filled;
      const read = readSync(this.#file, bytes, filled, bytes.length - filled, from);
      if (read === 0) throw new UnfoldError('data_changed', 'The record file became shorter during the run.');
      filled += read;
    }
  }
}
