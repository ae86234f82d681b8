import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import type { DataPlaces } from '../data/records/places.ts';

const unfit = (param: string, message: string): UnfoldError =>
  new UnfoldError('impossible_with_data', message, { param });

/**
 * Holds the options that only some data has a meaning for against what the data is.
 * @param fewestRows rows of the smallest batch of training; null: not known yet
 * @throws UnfoldError `impossible_with_data` naming the field
 */
export const expectDataFit = (
  { model, series, training }: JobSpec,
  { input, output, context }: DataPlaces,
  fewestRows: number | null,
): void => {
  if (model.embedding_size !== null && input.kind === 'vectors')
    throw unfit(
      'model.embedding_size',
      `model.embedding_size: expected null, since the input is vectors of ${input.width} numbers and no tokens to embed, but received ${model.embedding_size}.`,
    );
  const hasNumbers = [input, output, context].some((place) => place?.kind === 'vectors');
  if (series.normalization !== 'none' && !hasNumbers)
    throw unfit(
      'series.normalization',
      `series.normalization: expected "none", since there are no numbers in the data, but received "${series.normalization}".`,
    );
  if (model.norm === 'batch' && fewestRows !== null && fewestRows < 2)
    throw unfit(
      'model.norm',
      `model.norm "batch" needs two sequences in every batch, since one has no statistics, but training.batch_size ${training.batch_size} leaves one by itself: expected another training.batch_size or more data.`,
    );
};
