export type { ArtifactStore, ByteRange } from './artifact-store.ts';
export * from './claim.ts';
export { findEmbeddedVersion } from './embedded/binaries.ts';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded/embedded-postgres.ts';
export { inspectDatabase } from './inspect-database.ts';
export { startWeightsPath } from './jobs/start-weights.ts';
export { migrate } from './migrate.ts';
export { newId } from './new-id.ts';
export * from './outcome.ts';
export { isSameProcess, processStart } from './process-identity.ts';
export type * from './repositories.ts';
export type * from './sessions/sessions.ts';
export { openStore, type Store, type StoreOptions } from './store.ts';
export type * from './system/system-repository.ts';
export type * from './webhooks/webhooks.ts';
export type * from './workers/worker-repository.ts';
