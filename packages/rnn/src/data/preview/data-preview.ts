import type { JobSpec } from '@unfold/contracts';
import { nextTurn } from '../../event-loop.ts';
import { cleanText } from '../../generation/text-stream.ts';
import { createTokenizer } from '../../text/create-tokenizer.ts';
import { createVocabularyBuilder } from '../../text/vocabulary-builder.ts';
import { PartReader } from '../data-part.ts';
import { atLine } from '../records/data-problem.ts';
import type { DataRecord } from '../records/data-record.ts';
import { EncodingBuilder } from '../records/encoding-builder.ts';
import { type Normalization, NormalizationBuilder } from '../records/normalization.ts';
import { createRecordCheck } from '../records/record-check.ts';
import type { RecordEncoding } from '../records/record-encoding.ts';
import { readRecords, readsRecords } from '../records/record-reader.ts';
import { seriesLayout } from '../records/series.ts';
import { checkedSteps } from '../records/series-source.ts';
import { type FileStart, fileStart } from './file-start.ts';

/** Bytes that are read of a file, and what is shown of them. */
const previewLimits = {
  text: 1 << 19,
  records: 1 << 18,
  examples: 5,
  steps: 400,
  frequent: 40,
  width: 32,
} as const;

/** Names or tokens, and how often they occur, the most frequent first. */
export interface TokenCounts {
  /** Rows of their vocabulary, `<unk>` and `<s>` included. */
  size: number;
  frequent: { token: string; count: number }[];
}

/** The beginning of a record as the network would be given it: tokens or vectors by time step, a label, one vector. */
export interface PreviewExample {
  line: number;
  input: string[] | number[][];
  output: (string | null)[] | (number[] | null)[] | string | null;
  context: string | number[] | null;
  /** Time steps that it has, more than are shown perhaps. */
  steps: number;
}

/** What the beginning of a file becomes under the options of a job. */
export interface DataPreview {
  /** Bytes that were looked at, and those of the whole file. */
  read_bytes: number;
  file_bytes: number;
  /** One endless text or series, or records. */
  kind: 'text' | 'series' | 'records';
  /** Records; 1 of what is endless. */
  sequences: number;
  /** Time steps of all of them, of the shortest and of the longest. */
  tokens: number;
  shortest: number;
  longest: number;
  /** Of input tokens; null: the input is vectors. */
  vocabulary: TokenCounts | null;
  /** Labels, output tokens or contexts that are names; null: there are none. */
  labels: TokenCounts | null;
  /** Numbers of an input vector; of the first of them what a CSV file calls them and what they are normalized by; null: the input is tokens. */
  vectors: { width: number; names: string[] | null; normalization: Normalization | null } | null;
  examples: PreviewExample[];
}

/** Counts by token, in the order of their frequency. */
class Tally {
  readonly #counts = new Map<string, number>();

  push(token: string): void {
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }

  /** @param size of the vocabulary; default: as many as were counted */
  finish(size = this.#counts.size): TokenCounts {
    const sorted = [...this.#counts].sort(([, a], [, b]) => b - a).slice(0, previewLimits.frequent);
    return { size, frequent: sorted.map(([token, count]) => ({ token: cleanText(token), count })) };
  }
}

const empty = { sequences: 0, tokens: 0, shortest: 0, longest: 0 };

const partOf = (path: string, { end }: FileStart): PartReader =>
  new PartReader({ path, first: 0, end, name: 'The file', param: 'file' });

const previewText = async ({ text }: JobSpec, path: string, start: FileStart) => {
  const builder = createVocabularyBuilder(text);
  const reads = text.level === 'byte' ? 'bytes' : 'texts';
  if (reads === 'texts') for await (const piece of partOf(path, start).texts()) builder.push(piece);
  const tokenizer = createTokenizer(builder.finish(), { lowercase: text.lowercase });
  const tally = new Tally();
  const shown: string[] = [];
  let tokens = 0;
  const count = (ids: ArrayLike<number>): void => {
    for (let k = 0; k < ids.length; k++) {
      const token = tokenizer.tokens[ids[k]!]!;
      tally.push(token);
      if (shown.length < previewLimits.steps) shown.push(cleanText(token));
    }
    tokens += ids.length;
  };
  if (reads === 'bytes') for await (const piece of partOf(path, start).chunks()) count(piece);
  else {
    const encoder = tokenizer.encoder();
    for await (const piece of partOf(path, start).texts()) count(encoder.push(piece));
    count(encoder.finish());
  }
  return {
    kind: 'text' as const,
    ...{ sequences: 1, tokens, shortest: tokens, longest: tokens },
    vocabulary: tally.finish(tokenizer.tokens.length),
    labels: null,
    vectors: null,
    examples: [{ line: 1, input: shown, output: null, context: null, steps: tokens }],
  };
};

const firstOf = <T>(all: readonly T[]): T[] => all.slice(0, previewLimits.width);

const vectorsOf = (
  width: number,
  names: readonly string[] | null,
  normalization: Normalization | null,
): DataPreview['vectors'] => ({
  width,
  names: names && firstOf(names),
  normalization: normalization && {
    mean: firstOf(normalization.mean),
    deviation: firstOf(normalization.deviation),
  },
});

const previewSeries = async (spec: JobSpec, path: string, start: FileStart, layout: 'csv' | 'steps') => {
  const rows: number[][] = [];
  let names: readonly string[] | null = null;
  let width = 0;
  let steps = 0;
  let builder: NormalizationBuilder | null = null;
  for await (const { values, columns } of checkedSteps(partOf(path, start), 'file', layout, spec, null)) {
    width = values.length;
    names = columns?.names ?? null;
    builder ??= new NormalizationBuilder(width);
    builder.push(values);
    if (rows.length < previewLimits.steps) rows.push([...values.subarray(0, previewLimits.width)]);
    steps++;
  }
  const normalization = spec.series.normalization === 'standard' ? (builder?.finish() ?? null) : null;
  return {
    kind: 'series' as const,
    ...{ sequences: 1, tokens: steps, shortest: steps, longest: steps },
    vocabulary: null,
    labels: null,
    vectors: vectorsOf(width, names, normalization),
    examples: [{ line: 1, input: rows, output: null, context: null, steps }],
  };
};

type Part = DataRecord['input'] | NonNullable<DataRecord['output'] | DataRecord['context']>;

/** The tokens of an input, as ids of its vocabulary say them. */
const tokensOf = (input: Part, { input: encoding }: RecordEncoding): string[] => {
  if (input.kind === 'text' && encoding.kind === 'text')
    return Array.from(encoding.tokenizer.encode(input.text), (id) => encoding.tokenizer.tokens[id]!);
  if (input.kind === 'tokens' && encoding.kind === 'tokens')
    return input.tokens.map((token) => encoding.list.tokens[encoding.list.idOf(token!)] ?? token!);
  return [];
};

/** The first numbers of the first vectors. */
const rowsOf = (part: Extract<Part, { kind: 'vectors' }>): (number[] | null)[] =>
  Array.from({ length: Math.min(part.steps, previewLimits.steps) }, (_, t) => {
    const first = t * part.width;
    const row = part.values.subarray(first, first + Math.min(part.width, previewLimits.width));
    return part.present?.[t] === 0 ? null : [...row];
  });

const shownPart = (part: Part | null): PreviewExample['output'] | PreviewExample['context'] => {
  switch (part?.kind) {
    case 'label':
      return part.label;
    case 'vector':
      return [...part.values.subarray(0, previewLimits.width)];
    case 'tokens':
      return part.tokens.slice(0, previewLimits.steps);
    case 'vectors':
      return rowsOf(part);
    default:
      return null;
  }
};

const namesOf = (part: Part | null): string[] => {
  if (part?.kind === 'label') return [part.label];
  return part?.kind === 'tokens' ? part.tokens.filter((token) => token !== null) : [];
};

const previewRecords = async (spec: JobSpec, path: string, start: FileStart) => {
  const check = createRecordCheck(spec);
  const builder = new EncodingBuilder(spec);
  const records: DataRecord[] = [];
  for await (const record of readRecords(partOf(path, start), 'file', spec)) {
    atLine('file', record.line, () => check(record));
    builder.push(record, false);
    records.push(record);
    if (records.length % 200 === 0) await nextTurn();
  }
  const nothing = { kind: 'records' as const, vocabulary: null, labels: null, vectors: null, examples: [] };
  if (records.length === 0) return { ...empty, ...nothing };

  const encoding = builder.finish();
  const inputs = new Tally();
  const labels = new Tally();
  const lengths: number[] = [];
  const examples: PreviewExample[] = [];
  for (const [k, { line, input, output, context }] of records.entries()) {
    if (k % 200 === 199) await nextTurn();
    const tokens = tokensOf(input, encoding);
    const steps = input.kind === 'vectors' ? input.steps : tokens.length;
    lengths.push(steps);
    for (const token of tokens) inputs.push(token);
    for (const name of [...namesOf(output), ...namesOf(context)]) labels.push(name);
    if (k < previewLimits.examples)
      examples.push({
        line,
        steps,
        input:
          input.kind === 'vectors'
            ? (rowsOf(input) as number[][])
            : tokens.slice(0, previewLimits.steps).map(cleanText),
        output: shownPart(output) as PreviewExample['output'],
        context: shownPart(context) as PreviewExample['context'],
      });
  }
  const { input } = encoding;
  const hasNames = [encoding.output, encoding.context].some(
    (part) => part?.kind === 'label' || part?.kind === 'tokens',
  );
  return {
    kind: 'records' as const,
    sequences: records.length,
    tokens: lengths.reduce((sum, steps) => sum + steps, 0),
    shortest: lengths.reduce((a, b) => Math.min(a, b)),
    longest: lengths.reduce((a, b) => Math.max(a, b)),
    vocabulary:
      input.kind === 'vectors'
        ? null
        : inputs.finish((input.kind === 'text' ? input.tokenizer : input.list).tokens.length),
    labels: hasNames ? labels.finish() : null,
    vectors: input.kind === 'vectors' ? vectorsOf(input.width, null, input.normalization) : null,
    examples,
  };
};

/**
 * What the beginning of a file becomes under the options of a job: at most half a megabyte is read, and vocabularies and statistics are those
 * of what was read, of what will be held out as well.
 * @throws UnfoldError `invalid_data` with the line, `invalid_utf8`, `empty_file`, `data_missing`
 */
export const previewData = async (spec: JobSpec, path: string): Promise<DataPreview> => {
  const start = await fileStart(path, readsRecords(spec) ? previewLimits.records : previewLimits.text);
  const bytes = { read_bytes: start.end, file_bytes: start.bytes };
  if (!readsRecords(spec)) return { ...bytes, ...(await previewText(spec, path, start)) };
  if (spec.task !== 'forecasting') return { ...bytes, ...(await previewRecords(spec, path, start)) };
  const layout = await seriesLayout(partOf(path, start), 'file', spec.series);
  const preview =
    layout === 'records' ? previewRecords(spec, path, start) : previewSeries(spec, path, start, layout);
  return { ...bytes, ...(await preview) };
};
