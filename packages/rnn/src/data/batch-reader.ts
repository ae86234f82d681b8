import { closeSync, openSync, readSync } from 'node:fs';
import { UnfoldError } from '@unfold/contracts/values';
import { type BatchPlan, windowSteps } from './batch-plan.ts';
import type { TokenFile } from './token-file.ts';

/** Most bytes that are read ahead, all lanes together (one window is always read whole). */
const readAheadBytes = 1 << 20;

/**
 * Reads windows of a token file. Reads are synchronous, since they come from the page cache once every few windows; memory is bounded by
 * `readAheadBytes` whatever the file's size.
 */
export class BatchReader {
  readonly plan: BatchPlan;
  #file: number;
  #width: 1 | 2 | 4;
  /** Windows of one read. */
  #blockWindows: number;
  /** The block's tokens, lane after lane. */
  #block: Uint8Array | Uint16Array | Uint32Array;
  #bytes: Uint8Array;
  #laneTokens: number;
  #loadedBlock = -1;

  constructor(file: Pick<TokenFile, 'path' | 'width'>, plan: BatchPlan) {
    this.plan = plan;
    this.#width = file.width;
    const windowBytes = plan.lanes * plan.sequenceLength * file.width;
    this.#blockWindows = Math.max(1, Math.min(plan.windows, Math.floor(readAheadBytes / windowBytes)));
    this.#laneTokens = this.#blockWindows * plan.sequenceLength + 1;
    const tokens = this.#laneTokens * plan.lanes;
    const Ids = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[file.width];
    this.#block = new Ids(tokens);
    this.#bytes = new Uint8Array(this.#block.buffer);
    this.#file = openSync(file.path, 'r');
  }

  /**
   * Fills `inputs` and `targets`, time-major [T,N], with window `window`; T is its number of steps.
   * @returns T
   */
  load(window: number, inputs: Int32Array, targets: Int32Array): number {
    const { lanes, sequenceLength } = this.plan;
    const block = Math.floor(window / this.#blockWindows);
    if (block !== this.#loadedBlock) this.#readBlock(block);
    const steps = windowSteps(this.plan, window);
    const offset = (window - block * this.#blockWindows) * sequenceLength;
    for (let lane = 0; lane < lanes; lane++) {
      const base = lane * this.#laneTokens + offset;
      for (let t = 0; t < steps; t++) {
        inputs[t * lanes + lane] = this.#block[base + t]!;
        targets[t * lanes + lane] = this.#block[base + t + 1]!;
      }
    }
    return steps;
  }

  close(): void {
    closeSync(this.#file);
  }

  #readBlock(block: number): void {
    const { first, lanes, laneSteps, sequenceLength } = this.plan;
    const firstStep = block * this.#blockWindows * sequenceLength;
    const tokens = Math.min(this.#laneTokens, laneSteps - firstStep + 1);
    for (let lane = 0; lane < lanes; lane++)
      this.#read(lane * this.#laneTokens, first + lane * laneSteps + firstStep, tokens);
    this.#loadedBlock = block;
  }

  #read(at: number, position: number, tokens: number): void {
    const end = (at + tokens) * this.#width;
    let filled = at * this.#width;
    let from = position * this.#width;
    while (filled < end) {
      const bytes = readSync(this.#file, this.#bytes, filled, end - filled, from);
      if (bytes === 0) throw new UnfoldError('data_changed', 'The token file became shorter during the run.');
      filled += bytes;
      from += bytes;
    }
  }
}
