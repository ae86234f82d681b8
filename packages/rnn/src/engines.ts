// The door for whoever needs an engine or its errors and nothing else.
export {
  availableProcessors,
  type BackendName,
  createBackend,
  DeviceLostError,
  DeviceMemoryError,
  EngineUnavailableError,
  tfjsFlavour,
} from '@unfold/kernels';
