import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import type { PartReader } from '../data-part.ts';
import type { DataSource } from '../prepared-file.ts';
import { countTargets } from './batch-layout.ts';
import { atLine, type DataFile, invalidData } from './data-problem.ts';
import type { DataRecord } from './data-record.ts';
import { EncodingBuilder } from './encoding-builder.ts';
import { createRecordCheck } from './record-check.ts';
import { countRecords, readRecords } from './record-reader.ts';
import { createSplit } from './record-split.ts';
import { encodeRecord, indexEntry } from './record-writer.ts';
import type { IndexWriter, RecordsSource, SourceFiles } from './source.ts';

const fingerprint = (reader: PartReader) => ({ bytes: reader.bytes, sha256: reader.sha256() });

/** @throws UnfoldError `invalid_data` if there are too few records to train on, or to hold some out */
export const requireRecords = (records: number, fraction: number, param: DataFile['param']): void => {
  const least = param === 'file' && fraction > 0 ? 2 : 1;
  if (records < least)
    throw invalidData(
      param,
      null,
      `expected at least ${least} record${least > 1 ? 's, one of them to hold out for validation' : ''}, but received ${records}`,
    );
};

/** Records of text sequences or of JSON Lines. */
export const recordsSource = (spec: JobSpec, files: SourceFiles): RecordsSource => {
  const fraction = files.validation === null ? spec.training.validation_fraction : 0;
  let counted: { isHeld: (record: number) => boolean; sha256: string } | null = null;
  let made: DataSource | null = null;

  const split = async (): Promise<((record: number) => boolean) | null> => {
    if (counted !== null) return counted.isHeld;
    const reader = await files.open(files.data);
    const records = await countRecords(reader, 'file', spec);
    if (reader.interrupted) return null;
    requireRecords(records, fraction, 'file');
    counted = { isHeld: createSplit(records, fraction, spec.seed).isHeld, sha256: reader.sha256() };
    return counted.isHeld;
  };

  const requireUnchanged = (reader: PartReader): void => {
    if (reader.sha256() !== counted!.sha256)
      throw new UnfoldError('data_changed', 'The file changed while it was being read.', { param: 'file' });
  };

  return {
    async learn() {
      const isHeld = await split();
      if (isHeld === null) return null;
      const reader = await files.open(files.data);
      const builder = new EncodingBuilder(spec);
      const check = createRecordCheck(spec);
      let number = 0;
      for await (const record of readRecords(reader, 'file', spec)) {
        atLine('file', record.line, () => check(record));
        builder.push(record, isHeld(number++));
      }
      if (reader.interrupted) return null;
      requireUnchanged(reader);
      return builder.finish();
    },

    async write(encoding, values, { training, validation }) {
      const isHeld = await split();
      if (isHeld === null) return false;
      const check = createRecordCheck(spec);
      const put = async (record: DataRecord, param: DataFile['param'], index: IndexWriter): Promise<void> => {
        const { steps, parts } = atLine(param, record.line, () => {
          check(record);
          return encodeRecord(record, encoding, param);
        });
        await index.file.append(indexEntry(values.bytes, steps, record.line));
        for (const part of parts) await values.append(part);
        index.records += 1;
        index.steps += steps;
        index.longest = Math.max(index.longest, steps);
        index.targets += countTargets(encoding, steps, parts[1], spec.model.length);
      };

      const reader = await files.open(files.data);
      let number = 0;
      for await (const record of readRecords(reader, 'file', spec))
        await put(record, 'file', isHeld(number++) ? validation : training);
      if (reader.interrupted) return false;
      requireUnchanged(reader);
      made = { data: fingerprint(reader), validation: null };
      if (files.validation === null) return true;

      const held = await files.open(files.validation);
      for await (const record of readRecords(held, 'validation_file', spec))
        await put(record, 'validation_file', validation);
      if (held.interrupted) return false;
      requireRecords(validation.records, 0, 'validation_file');
      made = { ...made, validation: fingerprint(held) };
      return true;
    },

    source: () => made!,
  };
};
