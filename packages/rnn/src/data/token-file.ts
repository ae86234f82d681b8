import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TextOptions } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import { createTokenizer } from '../text/create-tokenizer.ts';
import type { Tokenizer, TokenizerData } from '../text/tokenizer.ts';
import { createVocabularyBuilder } from '../text/vocabulary-builder.ts';
import { type DataPart, PartReader, trainingEnd } from './data-part.ts';
import { type DataSource, identifyFile, sameSource, sizeOf, writeWhole } from './prepared-file.ts';
import { storageError } from './storage-error.ts';
import { TokenWriter, tokenWidth } from './token-writer.ts';

export interface TokenFileRequest {
  /** Path of the text. */
  data: string;
  /** Path of a text to validate on, instead of the tail of `data`. */
  validation: string | null;
  text: TextOptions;
  validationFraction: number;
  /** Folder for the token file. */
  scratch: string;
  /** From a checkpoint: the vocabulary to use and the data that it was built from. */
  resume?: { tokenizer: Tokenizer; source: DataSource };
  /** Asked every quarter of a megabyte. true: give up and answer null. */
  interrupted?: () => boolean;
}

/** Ids on disk, little-endian unsigned integers: the training part, then the validation part. */
export interface TokenFile {
  path: string;
  tokenizer: Tokenizer;
  /** Bytes of one id. */
  width: 1 | 2 | 4;
  trainingTokens: number;
  validationTokens: number;
  source: DataSource;
}

interface Sidecar {
  key: string;
  tokenizer: TokenizerData;
  width: 1 | 2 | 4;
  training_tokens: number;
  validation_tokens: number;
  source: DataSource;
}

const formatVersion = 1;

/** What an earlier token file must have been made of to be used again. */
const requestKey = async (request: TokenFileRequest): Promise<string> =>
  JSON.stringify([
    formatVersion,
    await identifyFile(request.data),
    await identifyFile(request.validation),
    request.text,
    request.validationFraction,
  ]);

const reuse = async (request: TokenFileRequest, key: string, paths: Paths): Promise<TokenFile | null> => {
  try {
    const sidecar = JSON.parse(await readFile(paths.sidecar, 'utf8')) as Sidecar;
    if (sidecar.key !== key) return null;
    if (request.resume && !sameSource(sidecar.source, request.resume.source)) return null;
    const { size } = await stat(paths.tokens);
    if (size !== sidecar.width * (sidecar.training_tokens + sidecar.validation_tokens)) return null;
    return {
      path: paths.tokens,
      tokenizer:
        request.resume?.tokenizer ??
        createTokenizer(sidecar.tokenizer, { lowercase: request.text.lowercase }),
      width: sidecar.width,
      trainingTokens: sidecar.training_tokens,
      validationTokens: sidecar.validation_tokens,
      source: sidecar.source,
    };
  } catch {
    return null;
  }
};

interface Paths {
  tokens: string;
  sidecar: string;
}

/** Learns the vocabulary of a training part; null: interrupted. */
export const buildVocabulary = async (
  request: Omit<TokenFileRequest, 'scratch'>,
  part: DataPart,
): Promise<{ tokenizer: Tokenizer; sha256: string | null } | null> => {
  if (request.resume) return { tokenizer: request.resume.tokenizer, sha256: null };
  const builder = createVocabularyBuilder(request.text);
  const reader = new PartReader(part, request.interrupted);
  // Every byte has a row, whatever the text: one pass is enough.
  if (request.text.level !== 'byte') for await (const text of reader.texts()) builder.push(text);
  if (reader.interrupted) return null;
  return {
    tokenizer: createTokenizer(builder.finish(), { lowercase: request.text.lowercase }),
    sha256: request.text.level === 'byte' ? null : reader.sha256(),
  };
};

/**
 * Turns a text of any size into ids on disk, in one or two streaming passes of constant memory. The vocabulary comes from the
 * training part. A complete token file that an earlier attempt left in `scratch` is used again if it was made from the same
 * files and options.
 * @returns null if it was interrupted
 * @throws UnfoldError `empty_file`, `invalid_utf8`, `data_missing`, `data_changed`, `storage_full`
 */
export const prepareTokenFile = async (request: TokenFileRequest): Promise<TokenFile | null> => {
  const paths: Paths = {
    tokens: join(request.scratch, 'tokens.bin'),
    sidecar: join(request.scratch, 'tokens.json'),
  };
  const temporary = `${paths.tokens}.${randomUUID()}.tmp`;
  const parts = await locateParts(request);
  const key = await requestKey(request);
  const earlier = await reuse(request, key, paths);
  if (earlier) return earlier;

  try {
    const vocabulary = await buildVocabulary(request, parts.training);
    if (vocabulary === null) return null;
    const { tokenizer } = vocabulary;
    const width = tokenWidth(tokenizer.tokens.length);
    const writer = await TokenWriter.open(temporary, tokenizer, width);
    try {
      const training = new PartReader(parts.training, request.interrupted);
      const trainingTokens = await writer.write(training);
      if (vocabulary.sha256 !== null && !training.interrupted && vocabulary.sha256 !== training.sha256())
        throw new UnfoldError('data_changed', 'The file changed while it was being read.', { param: 'file' });
      // The tail of the same file goes on with the same hash, so that it ends as the hash of the whole file.
      const validation = parts.validation && new PartReader(parts.validation, request.interrupted);
      if (validation && parts.validation?.path === parts.training.path) validation.continueHash(training);
      const validationTokens = validation ? await writer.write(validation) : 0;
      if (training.interrupted || validation?.interrupted) return null;
      await writer.sync();

      const whole = validation && parts.validation?.path === parts.training.path ? validation : training;
      const source: DataSource = {
        data: { bytes: parts.bytes, sha256: whole.sha256() },
        validation:
          request.validation === null ? null : { bytes: validation!.bytes, sha256: validation!.sha256() },
      };
      if (request.resume && !sameSource(source, request.resume.source))
        throw new UnfoldError('data_changed', 'The data is not what the checkpoint was trained on.', {
          param: 'file',
        });
      await rm(paths.sidecar, { force: true });
      await rename(temporary, paths.tokens);
      const sidecar: Sidecar = {
        key,
        tokenizer: tokenizer.toJSON(),
        width,
        training_tokens: trainingTokens,
        validation_tokens: validationTokens,
        source,
      };
      await writeWhole(paths.sidecar, JSON.stringify(sidecar));
      return { path: paths.tokens, tokenizer, width, trainingTokens, validationTokens, source };
    } finally {
      await writer.close();
    }
  } catch (error) {
    throw storageError(error, request.scratch);
  } finally {
    await rm(temporary, { force: true });
  }
};

/** Where the training part of a text ends, and what it is validated on. */
export const locateParts = async (request: Omit<TokenFileRequest, 'scratch'>) => {
  const bytes = await sizeOf(request.data, 'The file', 'file');
  const end =
    request.validation !== null || request.validationFraction === 0
      ? bytes
      : await trainingEnd(request.data, bytes, request.validationFraction, request.text.level);
  const training: DataPart = { path: request.data, first: 0, end, name: 'The file', param: 'file' };
  const validation: DataPart | null =
    request.validation !== null
      ? {
          path: request.validation,
          first: 0,
          end: await sizeOf(request.validation, 'The validation file', 'validation_file'),
          name: 'The validation file',
          param: 'validation_file',
        }
      : end < bytes
        ? { ...training, first: end, end: bytes }
        : null;
  return { bytes, training, validation };
};
