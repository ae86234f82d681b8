import type { Harness, Outputs } from './harness.ts';

/** One kernel at one shape: runs it and names what it left behind. */
export interface KernelCase {
  readonly name: string;
  /** Largest difference from the truth, relative to the largest magnitude of that output (at least 1e-3). */
  readonly tolerance: number;
  /** With products in bf16, where it is not the same: a value computed on the way may fall to the other side of a rounding to bf16. */
  readonly toleranceBf16?: number;
  /** What it shows is shown by smaller cases too, but for numbers. */
  readonly isLarge?: boolean;
  run(h: Harness): Outputs;
}
