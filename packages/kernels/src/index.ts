export * from './backend.ts';
export { type BackendName, type BackendOptions, createBackend } from './create-backend.ts';
export { EngineUnavailableError } from './engine-unavailable-error.ts';
export { NativeUnavailableError } from './native/addon.ts';
export {
  createNative,
  type NativeBackend,
  type NativeOptions,
  nativeInstructionSets,
} from './native/native-backend.ts';
export { availableProcessors } from './native/processors.ts';
export {
  createRandomStream,
  inverseNormal,
  philox4x32,
  purposeWord,
  type RandomAddress,
  type RandomStream,
  randomPurposes,
  uniformAt,
} from './philox.ts';
export { createReference } from './reference/reference-backend.ts';
export { type TfjsFlavour, tfjsFlavour } from './tfjs/installed.ts';
export {
  DeviceLostError,
  DeviceMemoryError,
  DeviceValidationError,
  WebgpuUnavailableError,
} from './webgpu/errors.ts';
