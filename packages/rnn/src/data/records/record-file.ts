import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import { type DataPart, PartReader } from '../data-part.ts';
import { type DataSource, identifyFile, sameSource, sizeOf, writeWhole } from '../prepared-file.ts';
import { storageError } from '../storage-error.ts';
import {
  encodingFromJson,
  encodingToJson,
  type RecordEncoding,
  type RecordEncodingData,
} from './record-encoding.ts';
import { BufferedFile } from './record-writer.ts';
import { recordsSource } from './records-source.ts';
import { seriesLayout } from './series.ts';
import { seriesSource } from './series-source.ts';
import type { IndexWriter, RecordIndex, RecordsSource, SourceFiles } from './source.ts';

export interface RecordFileRequest {
  spec: JobSpec;
  /** Path of the data. */
  data: string;
  /** Path of data to validate on, instead of a part of `data`. */
  validation: string | null;
  /** Folder for the record file. */
  scratch: string;
  /** From a checkpoint: how records became numbers, and the data that this was learned from. */
  resume?: { encoding: RecordEncoding; source: DataSource };
  /** Asked every quarter of a megabyte. true: give up and answer null. */
  interrupted?: () => boolean;
}

/** A run's records as numbers on disk. */
export interface RecordFile {
  path: string;
  encoding: RecordEncoding;
  /** One record when `encoding.endless`. */
  training: RecordIndex;
  /** null: nothing is held out. */
  validation: RecordIndex | null;
  source: DataSource;
}

interface Sidecar {
  key: string;
  encoding: RecordEncodingData;
  training: Omit<RecordIndex, 'path'>;
  validation: Omit<RecordIndex, 'path'> | null;
  value_bytes: number;
  source: DataSource;
}

const formatVersion = 2;

const requestKey = async ({ spec, data, validation }: RecordFileRequest): Promise<string> =>
  JSON.stringify([
    formatVersion,
    await identifyFile(data),
    await identifyFile(validation),
    spec.task,
    spec.text,
    spec.series,
    spec.training.loss,
    spec.training.validation_fraction,
    spec.model.length,
    spec.model.max_length,
    spec.seed,
  ]);

const pathsIn = (scratch: string) => ({
  values: join(scratch, 'records.bin'),
  training: join(scratch, 'records.training.idx'),
  validation: join(scratch, 'records.validation.idx'),
  sidecar: join(scratch, 'records.json'),
});
type Paths = ReturnType<typeof pathsIn>;

const assemble = (
  sidecar: Omit<Sidecar, 'key' | 'value_bytes'>,
  paths: Paths,
  encoding: RecordEncoding,
): RecordFile => ({
  path: paths.values,
  encoding,
  training: { path: paths.training, ...sidecar.training },
  validation: sidecar.validation && { path: paths.validation, ...sidecar.validation },
  source: sidecar.source,
});

const reuse = async (request: RecordFileRequest, key: string, paths: Paths): Promise<RecordFile | null> => {
  try {
    const sidecar = JSON.parse(await readFile(paths.sidecar, 'utf8')) as Sidecar;
    if (sidecar.key !== key) return null;
    if (request.resume && !sameSource(sidecar.source, request.resume.source)) return null;
    if ((await stat(paths.values)).size !== sidecar.value_bytes) return null;
    return assemble(
      sidecar,
      paths,
      request.resume?.encoding ?? encodingFromJson(sidecar.encoding, request.spec.text),
    );
  } catch {
    return null;
  }
};

const sourceFiles = (request: RecordFileRequest): SourceFiles => ({
  data: { path: request.data, param: 'file' },
  validation: request.validation === null ? null : { path: request.validation, param: 'validation_file' },
  async open({ path, param }) {
    const name = param === 'file' ? 'The file' : 'The validation file';
    const part: DataPart = { path, first: 0, end: await sizeOf(path, name, param), name, param };
    return new PartReader(part, request.interrupted);
  },
});

/** The source of a run's records: one endless series, or records. */
const openSource = async (spec: JobSpec, files: SourceFiles): Promise<RecordsSource> => {
  if (spec.task !== 'forecasting') return recordsSource(spec, files);
  const layout = await seriesLayout(await files.open(files.data), 'file', spec.series);
  return layout === 'records' ? recordsSource(spec, files) : seriesSource(spec, files, layout);
};

const openIndex = async (path: string): Promise<IndexWriter> => ({
  file: await BufferedFile.open(path),
  records: 0,
  steps: 0,
  longest: 0,
  targets: 0,
});

const summary = ({ records, steps, longest, targets }: IndexWriter) => ({ records, steps, longest, targets });

/**
 * Turns records of any number into numbers on disk, in streaming passes of constant memory. Vocabularies of inputs and statistics come
 * from the training part, names of outputs and contexts from the whole file. A complete record file that an earlier attempt left in
 * `scratch` is used again if it was made from the same files and options.
 * @returns null if it was interrupted
 * @throws UnfoldError `empty_file`, `invalid_utf8`, `invalid_data`, `limit_exceeded`, `data_missing`, `data_changed`, `storage_full`
 */
export const prepareRecordFile = async (request: RecordFileRequest): Promise<RecordFile | null> => {
  const paths = pathsIn(request.scratch);
  const files = sourceFiles(request);
  await files.open(files.data);
  const key = await requestKey(request);
  const earlier = await reuse(request, key, paths);
  if (earlier) return earlier;

  const suffix = `.${randomUUID()}.tmp`;
  const written: [temporary: string, final: string][] = [paths.values, paths.training, paths.validation].map(
    (path) => [path + suffix, path],
  );
  const opened: BufferedFile[] = [];
  try {
    const source = await openSource(request.spec, files);
    const encoding = request.resume?.encoding ?? (await source.learn());
    if (encoding === null) return null;
    const values = await BufferedFile.open(paths.values + suffix);
    opened.push(values);
    const training = await openIndex(paths.training + suffix);
    opened.push(training.file);
    const validation = await openIndex(paths.validation + suffix);
    opened.push(validation.file);
    if (!(await source.write(encoding, values, { training, validation }))) return null;
    for (const file of opened) await file.sync();
    const made = source.source();
    if (request.resume && !sameSource(made, request.resume.source))
      throw new UnfoldError('data_changed', 'The data is not what the checkpoint was trained on.', {
        param: 'file',
      });
    await rm(paths.sidecar, { force: true });
    for (const [temporary, final] of written) await rename(temporary, final);
    const content = {
      encoding: encodingToJson(encoding),
      training: summary(training),
      validation: validation.records > 0 ? summary(validation) : null,
      source: made,
    };
    await writeWhole(
      paths.sidecar,
      JSON.stringify({ key, value_bytes: values.bytes, ...content } satisfies Sidecar),
    );
    return assemble(content, paths, encoding);
  } catch (error) {
    throw storageError(error, request.scratch);
  } finally {
    for (const file of opened) await file.close();
    for (const [temporary] of written) await rm(temporary, { force: true });
  }
};
