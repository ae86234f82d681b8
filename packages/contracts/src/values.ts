// The door for threads: what trains a network needs these values but no schema, and zod takes longer to load than all of rnn.
export { type ErrorCode, UnfoldError } from './error-catalogue.ts';
export { specWarnings } from './spec/contradictions/spec-warnings.ts';
export { computesIn, deviceClasses } from './spec/demand.ts';
export { specLimits } from './spec/limits.ts';
export { describeValue } from './validation.ts';
