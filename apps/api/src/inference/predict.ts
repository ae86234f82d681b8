import { setImmediate as nextTurn } from 'node:timers/promises';
import { describeValue, maxPredictionInputs, type PredictionInput, UnfoldError } from '@unfold/contracts';
import { atInput, type Prediction, type Predictor, type PredictionInput as Sequence } from '@unfold/rnn';
import type { PredictOptions } from './protocol.ts';

/** What a model reads: its name, and in how many lists the texts or numbers of one sequence lie. */
const kinds: Record<Predictor['inputKind'], { name: string; lists: number; leaf: 'string' | 'number' }> = {
  text: { name: 'a text', lists: 0, leaf: 'string' },
  tokens: { name: 'a list of tokens (texts)', lists: 1, leaf: 'string' },
  vectors: { name: 'a list of vectors (lists of numbers)', lists: 2, leaf: 'number' },
};

const shapeOf = (input: PredictionInput): { lists: number; leaf: string } => {
  let leaf: unknown = input;
  let lists = 0;
  for (; Array.isArray(leaf); lists++) leaf = leaf[0];
  return { lists, leaf: typeof leaf };
};

/**
 * The sequences that a checked input holds for a model that reads `kind`, one or a list of them.
 * @throws UnfoldError `invalid_value`
 */
export const sequencesOf = (kind: Predictor['inputKind'], input: PredictionInput): Sequence[] => {
  const { name, lists, leaf } = kinds[kind];
  const received = shapeOf(input);
  if (received.leaf === leaf) {
    if (received.lists === lists) return [input as Sequence];
    if (received.lists === lists + 1) return input as Sequence[];
    // The numbers alone of vectors of width 1.
    if (leaf === 'number' && received.lists === 1) return [input as Sequence];
  }
  throw new UnfoldError(
    'invalid_value',
    `input: expected ${name}, which is what this model reads, or a list of such, but received ${describeValue(input)}${Array.isArray(input) ? `, the first of them ${describeValue(input[0])}` : ''}.`,
    { param: 'input' },
  );
};

/** A forecast reads what it goes on from in pieces; whatever else is answered for is held as a whole. */
const requireLength = (model: Predictor, sequence: Sequence, longest: number): void => {
  if (model.spec.task === 'forecasting') return;
  const steps = model.stepsOf(sequence);
  if (steps > longest)
    throw new UnfoldError(
      'limit_exceeded',
      `Expected at most ${longest} time steps on this server, but received ${steps}.`,
      { param: 'input' },
    );
};

/**
 * Answers for each sequence.
 * @param signal once it aborts, nobody waits for the answer
 */
export const predict = async (
  model: Predictor,
  { input, longest, options }: PredictOptions,
  signal: AbortSignal,
): Promise<Prediction[]> => {
  const sequences = sequencesOf(model.inputKind, input);
  if (sequences.length > maxPredictionInputs)
    throw new UnfoldError(
      'invalid_value',
      `input: expected at most ${maxPredictionInputs} sequences, but received ${sequences.length}.`,
      { param: 'input' },
    );
  for (const [k, sequence] of sequences.entries()) {
    await nextTurn();
    if (signal.aborted) return [];
    try {
      requireLength(model, sequence, longest);
    } catch (error) {
      throw sequences.length === 1 ? error : atInput(k, error);
    }
  }
  return model.predictAll(sequences, options, signal);
};
