import type { JobSpec } from '@unfold/contracts';
import { describeValue } from '@unfold/contracts/values';
import { lowerCase } from '../../text/lower-case.ts';
import { splitWords } from '../../text/word-splitter.ts';
import { dataLimits } from './data-limits.ts';
import { problem } from './data-problem.ts';
import type { DataRecord, Vectors } from './data-record.ts';

/** Tokens that a text will have. */
const countTokens = (text: string, { level, lowercase }: JobSpec['text']): number => {
  if (level === 'byte') return Buffer.byteLength(text);
  const folded = lowercase ? lowerCase(text) : text;
  if (level === 'word') return splitWords(folded).length;
  let points = 0;
  for (let at = 0; at < folded.length; at++) {
    if (folded.codePointAt(at)! > 0xffff) at++;
    points++;
  }
  return points;
};

const stepsOf = ({ input }: DataRecord, spec: JobSpec): number => {
  switch (input.kind) {
    case 'text':
      return countTokens(input.text, spec.text);
    case 'tokens':
      return input.tokens.length;
    case 'vectors':
      return input.steps;
  }
};

/** What all records of a run have in common: the first one decides. */
const shapeOf = ({ input, output, context }: DataRecord): [part: string, shape: string][] => {
  const vectors = (width: number): string => `vectors of ${width}`;
  const shape = (part: DataRecord['input'] | DataRecord['output'] | DataRecord['context']): string => {
    if (part === null) return 'nothing';
    switch (part.kind) {
      case 'vectors':
        return vectors(part.width);
      case 'vector':
        return `${part.values.length} numbers`;
      case 'label':
        return 'a label';
      default:
        return part.kind;
    }
  };
  return [
    ['the input', shape(input)],
    ['the output', shape(output)],
    ['the context', shape(context)],
  ];
};

/** Zeros and ones alone, for a sum of binary cross-entropies. */
export const requireBinary = (values: Float64Array): void => {
  const odd = values.find((value) => value !== 0 && value !== 1);
  if (odd !== undefined) throw problem('zeros and ones (training.loss "bernoulli")', describeValue(odd));
};

const requireBinaryTargets = ({ input, output }: DataRecord): void => {
  const targets = output ?? input;
  if (targets.kind === 'vectors') requireBinary((targets as Vectors).values);
  else throw problem('vectors of zeros and ones as output (training.loss "bernoulli")', targets.kind);
};

/**
 * Checks record after record of a run, both files in turn, against the task and against the first record.
 * @returns a function that throws `DataProblem` and gives the record's time steps
 */
export const createRecordCheck = (
  spec: JobSpec,
  limits: { steps: number } = dataLimits,
): ((record: DataRecord) => number) => {
  let first: { line: number; shape: [part: string, shape: string][] } | null = null;
  const { length, max_length } = spec.model;
  const longest = length === 'countdown' ? Math.min(limits.steps, max_length!) : limits.steps;
  const reason = longest < limits.steps ? ' (model.max_length)' : '';
  return (record) => {
    const shape = shapeOf(record);
    first ??= { line: record.line, shape };
    shape.forEach(([part, found], k) => {
      const expected = first!.shape[k]![1];
      if (found !== expected) throw problem(`${part} to be ${expected} as in line ${first!.line}`, found);
    });
    const steps = stepsOf(record, spec);
    if (steps > longest)
      throw problem(
        `a sequence of at most ${longest} ${record.input.kind === 'vectors' ? 'time steps' : 'tokens'}${reason}`,
        `${steps}`,
      );
    if (spec.training.loss === 'bernoulli') requireBinaryTargets(record);
    return steps;
  };
};
