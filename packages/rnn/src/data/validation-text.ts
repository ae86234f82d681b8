import { requireValidationTokens } from './batch-plan.ts';
import { PartReader } from './data-part.ts';
import { buildVocabulary, locateParts, type TokenFileRequest } from './token-file.ts';

type Request = Omit<TokenFileRequest, 'scratch' | 'resume'>;

/** Tokens of the validation part, read no further than to the second; null: interrupted. */
const countToTwo = async (request: Request): Promise<number | null> => {
  const { validation } = await locateParts(request);
  if (validation === null) return 0;
  if (request.text.level === 'byte') return validation.end - validation.first;
  // What is cut into tokens does not depend on which of them have a row: the part's own vocabulary will do.
  const vocabulary = await buildVocabulary(request, validation);
  if (vocabulary === null) return null;
  const encoder = vocabulary.tokenizer.encoder();
  const reader = new PartReader(validation, request.interrupted);
  let tokens = 0;
  for await (const text of reader.texts()) {
    tokens += encoder.push(text).length;
    if (tokens >= 2) return tokens;
  }
  return reader.interrupted ? null : tokens + encoder.finish().length;
};

/**
 * Reads the part that an endless text is validated on, if there is to be one, for what training needs of it.
 * @throws UnfoldError `text_too_short` below two tokens, naming the field that made it so; `empty_file`, `invalid_utf8`, `data_missing`
 */
export const checkValidationText = async (request: Request): Promise<void> => {
  if (request.validation === null && request.validationFraction === 0) return;
  const tokens = await countToTwo(request);
  const param = request.validation === null ? 'training.validation_fraction' : 'validation_file';
  if (tokens !== null) requireValidationTokens(tokens, param);
};
