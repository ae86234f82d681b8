import { type FileHandle, open } from 'node:fs/promises';
import type { JobSpec } from '@unfold/contracts';
import {
  completeSpec,
  type DataSummary,
  expectTransferable,
  placesOf,
  readHeader,
  readPlaces,
  textPlaces,
} from '@unfold/rnn/host';

const read = async (file: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let filled = 0; filled < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, filled);
    if (bytesRead === 0) throw new Error('The weights end within their header.');
    filled += bytesRead;
  }
};

/** The beginning of a stored weights file, up to the end of its header, which was checked when it was stored. */
const readBeginning = async (path: string): Promise<{ bytes: Uint8Array; fileBytes: number }> => {
  const file = await open(path);
  try {
    const length = new Uint8Array(8);
    await read(file, length);
    const bytes = new Uint8Array(8 + Number(new DataView(length.buffer).getBigUint64(0, true)));
    await read(file, bytes);
    return { bytes, fileBytes: (await file.stat()).size };
  } finally {
    await file.close();
  }
};

/** A model's spec with the fields that were not there yet when it was written. */
export const completeSource = (source: JobSpec): JobSpec => completeSpec(source);

/**
 * Whether a job can start from a model: their options and what their data is are compared, of the weights no more than the header is read.
 * @param data what a check found in records; null for an endless text
 * @param source the model's spec, and where its weights lie
 * @throws UnfoldError `impossible_with_data` naming the fields that differ
 */
export const checkStart = async (
  spec: JobSpec,
  data: DataSummary | null,
  source: { spec: JobSpec; path: string },
): Promise<void> => {
  const { bytes, fileBytes } = await readBeginning(source.path);
  const header = readHeader(bytes, { headerBytes: bytes.length, fileBytes });
  expectTransferable(
    { spec, places: data === null ? textPlaces : placesOf(data) },
    { spec: completeSource(source.spec), places: readPlaces(header) },
  );
};
