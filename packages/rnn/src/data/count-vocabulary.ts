import type { JobSpec } from '@unfold/contracts';
import { PartReader } from './data-part.ts';
import { sizeOf } from './prepared-file.ts';
import { readsRecords } from './records/record-reader.ts';
import { recordsSource } from './records/records-source.ts';
import { buildVocabulary, locateParts } from './token-file.ts';

/** The vocabulary that training would learn of a file. */
export interface VocabularyCount {
  /** Rows, `<unk>` and `<s>` included. */
  size: number;
  /** Tokens of the training part of an endless text; null: the data is records. */
  tokens: number | null;
}

export interface VocabularyRequest {
  spec: JobSpec;
  /** Path of the data. */
  data: string;
  /** Path of data to validate on, or null. */
  validation: string | null;
  /** Bytes of the largest file that is counted. */
  mostBytes: number;
}

const countText = async ({ spec, data, validation }: VocabularyRequest): Promise<VocabularyCount> => {
  const { text, training } = spec;
  const request = { data, validation, text, validationFraction: training.validation_fraction };
  const parts = await locateParts(request);
  const { tokenizer } = (await buildVocabulary(request, parts.training))!;
  const encoder = tokenizer.encoder();
  let tokens = 0;
  for await (const piece of new PartReader(parts.training).texts()) tokens += encoder.push(piece).length;
  return { size: tokenizer.tokens.length, tokens: tokens + encoder.finish().length };
};

const countRecords = async ({
  spec,
  data,
  validation,
}: VocabularyRequest): Promise<VocabularyCount | null> => {
  const source = recordsSource(spec, {
    data: { path: data, param: 'file' },
    validation: validation === null ? null : { path: validation, param: 'validation_file' },
    open: async ({ path, param }) => {
      const name = param === 'file' ? 'The file' : 'The validation file';
      return new PartReader({ path, first: 0, end: await sizeOf(path, name, param), name, param });
    },
  });
  const { input } = (await source.learn())!;
  if (input.kind === 'vectors') return null;
  return { size: (input.kind === 'text' ? input.tokenizer : input.list).tokens.length, tokens: null };
};

/**
 * Learns the vocabulary of a job's input just as training does.
 * @returns null: the file is larger, or there is nothing to count, as of bytes and of numbers
 * @throws UnfoldError as training does that reads this data
 */
export const countVocabulary = async (request: VocabularyRequest): Promise<VocabularyCount | null> => {
  const { spec, data, mostBytes } = request;
  if ((await sizeOf(data, 'The file', 'file')) > mostBytes || spec.task === 'forecasting') return null;
  if (readsRecords(spec)) return countRecords(request);
  return spec.text.level === 'byte' ? null : countText(request);
};
