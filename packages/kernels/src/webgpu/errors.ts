import { EngineUnavailableError } from '../engine-unavailable-error.ts';

/** There is no GPU that this engine could use, or the package that reaches it is not installed; the message says what to do. */
export class WebgpuUnavailableError extends EngineUnavailableError {
  override readonly name = 'WebgpuUnavailableError';
}

/** The device is gone: unplugged, reset by its driver, or taken away. What was on it is lost; another device can go on from a checkpoint. */
export class DeviceLostError extends Error {
  override readonly name = 'DeviceLostError';
}

/** The device has no room for what was asked of it. */
export class DeviceMemoryError extends Error {
  override readonly name = 'DeviceMemoryError';
}

/** The device's driver refused a call that this engine made: a defect of the engine or of the driver. */
export class DeviceValidationError extends Error {
  override readonly name = 'DeviceValidationError';
}
