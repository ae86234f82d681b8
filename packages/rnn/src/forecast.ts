import { describeValue, specLimits, UnfoldError } from '@unfold/contracts';
import type { Vectors } from './data/records/data-record.ts';
import { denormalize, normalizeInto } from './data/records/normalization.ts';
import type { VectorEncoding } from './data/records/record-encoding.ts';
import { ClosedLoop } from './model/closed-loop.ts';
import type { Network } from './model/network.ts';
import { refuseInput } from './prediction-input.ts';

/** Steps that a forecast may go on for. */
const mostSteps = specLimits.sequence_length;
/** Steps of a history that are read at once, which bounds the memory whatever its length. */
const historySteps = 256;

const expectBinary = ({ values, width }: Vectors): void => {
  const odd = values.findIndex((number) => number < 0 || number > 1);
  if (odd >= 0)
    refuseInput(
      'vectors of zeros and ones, or of probabilities,',
      `${values[odd]} at input[${Math.floor(odd / width)}][${odd % width}]`,
    );
};

/**
 * What comes after `history`, `steps` vectors in the units of the data, in closed loop: each is the input of the next. Of binary vectors they
 * are probabilities, and fed back as such.
 * @param turn awaited between pieces and steps; false once nobody waits for the answer
 * @returns null: nobody waits
 * @throws UnfoldError `invalid_value`
 */
export const forecast = async (
  network: Network,
  { width, normalization }: VectorEncoding,
  history: Vectors,
  steps: number,
  turn: () => Promise<boolean>,
): Promise<number[][] | null> => {
  if (!Number.isInteger(steps) || steps < 1 || steps > mostSteps)
    throw new UnfoldError(
      'invalid_value',
      `Expected a whole number from 1 to ${mostSteps} for steps, but received ${describeValue(steps)}.`,
      { param: 'steps' },
    );
  if (network.shape.loss === 'bernoulli') expectBinary(history);
  const read = new Float32Array(history.values.length);
  normalizeInto(history.values, normalization, read);
  const chunk = Math.min(history.steps, historySteps);
  const loop = new ClosedLoop(network, chunk, 1);
  try {
    loop.begin();
    for (let t = 0; t < history.steps; t += chunk) {
      loop.read(read.subarray(t * width, (t + chunk) * width));
      if (!(await turn())) return null;
    }
    const values: number[][] = [];
    for (;;) {
      const next = await loop.next();
      // As large as single precision allows, inputs overflow in their products.
      if (!next.every(Number.isFinite))
        refuseInput('numbers that the network can compute with', 'some that lead to no finite answer');
      values.push(denormalize(next, normalization));
      if (values.length === steps) return values;
      loop.read(next);
      if (!(await turn())) return null;
    }
  } finally {
    loop.release();
  }
};
