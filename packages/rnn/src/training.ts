// The door for threads that train: it loads no schemas.
export {
  type Backend,
  type BackendName,
  createBackend,
  DeviceLostError,
  DeviceMemoryError,
  EngineUnavailableError,
} from '@unfold/kernels';
export type { CheckpointReason, ControlAnswer, TrainingEvent, TrainingOutcome } from './training/events.ts';
export { precisionOf } from './training/precision.ts';
export { type TrainOptions, train } from './training/train.ts';
