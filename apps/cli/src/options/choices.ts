import type { DeviceClass, EngineName, JobStatus, KeyScope, PrecisionName, Task } from '@unfold/contracts';

/**
 * All values of a type, as an option offers them. Written out, and held against the type by the compiler, since loading the schemas would
 * cost each command, and each Tab of a completion, a quarter of a second.
 */
const allOf = <T extends string>(values: Record<T, true>): T[] => Object.keys(values) as T[];

export const jobStatuses = allOf<JobStatus>({
  queued: true,
  running: true,
  paused: true,
  succeeded: true,
  failed: true,
  cancelled: true,
});
export const keyScopes = allOf<KeyScope>({ read: true, train: true, infer: true, admin: true });
export const tasks = allOf<Task>({
  language_model: true,
  conditional_generation: true,
  sequence_labeling: true,
  classification: true,
  forecasting: true,
});
export const engineNames = allOf<EngineName>({ native: true, reference: true, webgpu: true, tfjs: true });
export const precisionNames = allOf<PrecisionName>({ fp32: true, bf16: true, f16: true });
export const deviceClasses = allOf<DeviceClass>({ cpu: true, gpu: true });
