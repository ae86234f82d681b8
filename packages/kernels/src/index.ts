export * from './backend.ts';
export { type BackendName, createBackend } from './create-backend.ts';
export {
  createRandomStream,
  inverseNormal,
  philox4x32,
  type RandomAddress,
  type RandomStream,
  randomPurposes,
} from './philox.ts';
export { createReference } from './reference/reference-backend.ts';
