import type { PartReader } from '../data-part.ts';
import type { DataSource } from '../prepared-file.ts';
import type { DataFile } from './data-problem.ts';
import type { RecordEncoding } from './record-encoding.ts';
import type { BufferedFile } from './record-writer.ts';

/** The records of a part: where each one lies in the record file (16 bytes an entry, see `indexEntry`). */
export interface RecordIndex {
  path: string;
  records: number;
  /** Time steps of all records, and of the longest. */
  steps: number;
  longest: number;
  /** How many outputs of all records have a loss. */
  targets: number;
}

/** A writer of one part, and what it has written so far. */
export interface IndexWriter extends Omit<RecordIndex, 'path'> {
  file: BufferedFile;
}

/** What reads the data: first to learn how it becomes numbers, then to write these. */
export interface RecordsSource {
  /** null: interrupted. */
  learn(): Promise<RecordEncoding | null>;
  /** Writes every record; false: interrupted. */
  write(
    encoding: RecordEncoding,
    values: BufferedFile,
    parts: { training: IndexWriter; validation: IndexWriter },
  ): Promise<boolean>;
  /** Known once all is written. */
  source(): DataSource;
}

/** Opens a reader of a whole file of the run. */
export interface SourceFiles {
  data: DataFile;
  validation: DataFile | null;
  open(file: DataFile): Promise<PartReader>;
}
