import { UnfoldError } from '@unfold/contracts/values';

/** What is wrong with a line, before it is known which line of which file it is. */
export class DataProblem extends Error {
  override readonly name = 'DataProblem';
}

/** @param received already described, such as `describeValue` does it */
export const problem = (expected: string, received: string): DataProblem =>
  new DataProblem(`expected ${expected}, but received ${received}`);

/** A file as errors name it. */
export interface DataFile {
  path: string;
  param: 'file' | 'validation_file';
}

export const invalidData = (param: DataFile['param'], line: number | null, message: string): UnfoldError =>
  new UnfoldError('invalid_data', `${param}${line === null ? '' : `, line ${line}`}: ${message}.`, { param });

/** Runs `read`, giving what it finds wrong its place. */
export const atLine = <T>(param: DataFile['param'], line: number, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (error instanceof DataProblem) throw invalidData(param, line, error.message);
    throw error;
  }
};
