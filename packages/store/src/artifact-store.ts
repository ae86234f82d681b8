import type { ReadStream } from 'node:fs';
import type { ArtifactRecord } from './outcome.ts';

export interface ByteRange {
  start: number;
  /** Inclusive. */
  end: number;
}

/** Files under one folder. Every `path` is relative to it, with forward slashes; one that leaves it is refused. */
export interface ArtifactStore {
  /**
   * Writes a whole file: temporary file, fsync, rename, fsync of the folder. On any failure nothing is left behind.
   * A full disk is `storage_full`; what `source` throws is thrown on.
   */
  write(path: string, source: AsyncIterable<Uint8Array> | Uint8Array): Promise<ArtifactRecord>;
  /** A whole file in memory: checkpoints and weights. `artifact_corrupt` if its hash differs, `data_missing`. */
  read(path: string, expected: { sha256: string }): Promise<Uint8Array>;
  /** `data_missing` if the file is gone. */
  stream(path: string, range?: ByteRange): Promise<ReadStream>;
  /** Reads a file through: `artifact_corrupt` or `data_missing` if it is not what was written. */
  verify(path: string, sha256: string): Promise<void>;
  absolute(path: string): string;
  /** No error if the file is already gone. */
  remove(path: string): Promise<void>;
  /** Removes every file below a folder but those in `kept`, recorded or not, and the folders that this empties. */
  removeFolder(folder: string, kept: readonly string[]): Promise<void>;
  /** Removes temporary files of writers that no longer live; answers how many. */
  sweep(): Promise<number>;
}

/** Removes files whose rows are gone. One that cannot be removed only wastes space, so it stops nobody. */
export const removeArtifacts = async (artifacts: ArtifactStore, paths: readonly string[]): Promise<void> => {
  await Promise.allSettled(paths.map((path) => artifacts.remove(path)));
};
