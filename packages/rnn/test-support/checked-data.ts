import { jobSpec, parseRequest, UnfoldError } from '@unfold/contracts';
import { checkData, type DataSummary } from '../src/data/records/check-data.ts';
import { textFile } from './runs.ts';

/** What a check finds in these bytes. */
export const check = (
  options: object,
  content: string | Uint8Array,
  validation: string | null = null,
): Promise<DataSummary | null> =>
  checkData({
    spec: parseRequest(jobSpec, { file: `file-${'0'.repeat(26)}`, ...options }),
    data: textFile(content),
    validation: validation === null ? null : textFile(validation),
  });

/** The error that they are refused with. */
export const refusal = async (...data: Parameters<typeof check>): Promise<UnfoldError> => {
  try {
    await check(...data);
  } catch (error) {
    if (error instanceof UnfoldError) return error;
    throw error;
  }
  throw new Error('The data was accepted.');
};

export const labeling = { task: 'sequence_labeling' };
export const classification = { task: 'classification' };
export const conditional = { task: 'conditional_generation' };
export const lines = { text: { sequences: 'lines' } };
export const jsonText = { text: { sequences: 'json_lines' } };
export const short = { sequence_length: 3, validation_fraction: 0.3 };
export const forecasting = { task: 'forecasting', training: short };
export const good = (line: object) => `${JSON.stringify(line)}\n`;
export const pair = good({ input: ['a', 'b'], output: ['x', null] });
export const series = '1,2\n3,4\n5,6\n7,8\n9,10\n11,12\n13,14\n';
export const noLimit = { validation_fraction: 0 };
