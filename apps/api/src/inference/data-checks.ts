import { type ErrorCode, type JobSpec, UnfoldError } from '@unfold/contracts';
import type { DataSummary, VocabularyCount } from '@unfold/rnn';

export type { DataSummary, VocabularyCount };

/** A stored file to check: its bytes never change under one hash. */
export interface CheckedFile {
  /** Absolute. */
  path: string;
  sha256: string;
}

export interface DataCheckTask {
  spec: JobSpec;
  data: CheckedFile;
  validation: CheckedFile | null;
  longest_sequence: number;
}

/** Reads a job's data once and remembers what came of it. */
export interface DataChecks<Finding = DataSummary | null> {
  /** @throws UnfoldError `invalid_data` and what else is found by whoever reads it */
  check(task: DataCheckTask): Promise<Finding>;
}

/** Findings that depend on the bytes and the options alone, and so stay true. */
const lasting: ReadonlySet<ErrorCode> = new Set(['invalid_data', 'invalid_utf8', 'empty_file']);

/** The options that a check looks at. */
const keyOf = ({ spec, data, validation, longest_sequence }: DataCheckTask): string =>
  JSON.stringify([
    data.sha256,
    validation?.sha256 ?? null,
    longest_sequence,
    spec.task,
    spec.text,
    spec.series,
    spec.model.length,
    spec.model.max_length,
    spec.training.loss,
    spec.training.sequence_length,
    spec.training.validation_fraction,
  ]);

/**
 * @param run reads the data and checks it
 * @param limit findings that are remembered; the oldest go first
 */
export const createDataChecks = <Finding>(
  run: (task: DataCheckTask) => Promise<Finding>,
  limit = 1000,
): DataChecks<Finding> => {
  const findings = new Map<string, Promise<Finding>>();

  const remember = (key: string, finding: Promise<Finding>): void => {
    findings.set(key, finding);
    for (const oldest of findings.keys()) {
      if (findings.size <= limit) break;
      findings.delete(oldest);
    }
    finding.catch((error: unknown) => {
      // Whatever else went wrong may go right the next time.
      if (!(error instanceof UnfoldError && lasting.has(error.code))) findings.delete(key);
    });
  };

  return {
    check(task) {
      const key = keyOf(task);
      const known = findings.get(key);
      if (known !== undefined) return known;
      const finding = run(task);
      remember(key, finding);
      return finding;
    },
  };
};
