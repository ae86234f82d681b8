/**
 * How layers go through time: `separate`, a product and a kernel for the cells at each step, as all layers do whose products are normalised or stand
 * behind a reset; `step`, one kernel at each step; `sequence`, one for all steps. `auto` chooses by size, see `recurrence.ts`. What a layer
 * cannot have it does not get. The bits of a forward pass are the same each way, those of a backward pass are in the last two.
 */
export type Recurrence = 'auto' | 'separate' | 'step' | 'sequence';

export interface WebgpuOptions {
  /** f16: products round their operands to half precision and sum in float32. Default float32. */
  readonly precision?: 'float32' | 'f16' | undefined;
  /** Whether products in f16 may use the device's matrix units, for measurements; default: wherever the device has them. */
  readonly matrices?: boolean | undefined;
  /** How layers go through time, for measurements; default `auto`. */
  readonly recurrence?: Recurrence | undefined;
  /** Whether sums within a workgroup may use subgroups, for measurements; default: wherever the device has them. Their bits differ. */
  readonly subgroups?: boolean | undefined;
  /** The most bytes of the device that the backend may take; default: what WebGPU's limits leave. */
  readonly memoryBytes?: number | undefined;
  /** Whether to time every kernel, for measurements: it makes them all slower. Default false. */
  readonly profile?: boolean | undefined;
}
