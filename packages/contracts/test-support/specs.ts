import { type JobSpec, jobSpec, parseRequest, UnfoldError } from '@unfold/contracts';
import { expect, it } from 'vitest';

export const file = `file-${'0'.repeat(32)}`;

export const accepts = (input: object): JobSpec => parseRequest(jobSpec, { file, ...input });

/** The error that a spec is refused with. */
export const refusal = (input: object): UnfoldError => {
  try {
    accepts(input);
  } catch (error) {
    if (error instanceof UnfoldError) return error;
    throw error;
  }
  throw new Error('The spec was accepted.');
};

export const conditional = 'conditional_generation';
export const labeling = 'sequence_labeling';
export const elman = (model: object) => ({ model: { cell: 'elman', ...model } });
export const lines = { text: { sequences: 'lines' } };

/** Title, the two fields at odds (the first is `param`), a spec that is refused, and one that differs in one option and is taken. */
export type Contradiction = [title: string, param: string, other: string, refused: object, taken: object];

export const contradict = (rows: Contradiction[]): void =>
  it.each(rows)('are refused for %s, naming both fields', (_, param, other, refused, taken) => {
    const error = refusal(refused);
    expect(error).toMatchObject({ code: 'contradictory_options', param, status: 400 });
    expect(error.message).toContain(param);
    expect(error.message).toContain(other);
    expect(() => accepts(taken)).not.toThrow();
  });
