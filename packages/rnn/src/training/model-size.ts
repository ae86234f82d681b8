import type { JobSpec } from '@unfold/contracts';
import { specLimits, UnfoldError } from '@unfold/contracts/values';
import type { NetworkShape } from '../model/network-shape.ts';
import { countParameters } from '../model/parameter-table.ts';
import { mixesTokens } from './teacher-forcing.ts';

/**
 * Holds a network against what any network may have, now that its vocabulary is known.
 * @throws UnfoldError `limit_exceeded`
 */
export const expectSize = (spec: JobSpec, shape: NetworkShape): void => {
  const parameters = countParameters(spec.model, shape);
  if (parameters > specLimits.parameters)
    throw new UnfoldError(
      'limit_exceeded',
      `The model would have ${parameters} parameters with a vocabulary of ${shape.output.size}, but at most ${specLimits.parameters} are allowed.`,
      { param: 'model.hidden_size' },
    );
  const V = shape.output.size;
  if (mixesTokens(spec, shape) && V ** 2 > specLimits.parameters)
    throw new UnfoldError(
      'limit_exceeded',
      `A text that is fed its own answers and has no embedding is read as one-hot vectors, ${V ** 2} numbers with a vocabulary of ${V}, but at most ${specLimits.parameters} are allowed: expected a model.embedding_size or a smaller text.max_vocab.`,
      { param: 'model.embedding_size' },
    );
};
