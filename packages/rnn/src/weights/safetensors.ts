import { UnfoldError } from '@unfold/contracts/values';
import { convertToDouble, type Dtype, dtypeBytes, isDtype } from './dtype.ts';

/**
 * The safetensors format (https://github.com/huggingface/safetensors#format): eight bytes of header length, little-endian; a
 * JSON header {name: {dtype, shape, data_offsets}}; then the tensors' bytes without a gap.
 */
export interface TensorEntry {
  dtype: Dtype;
  shape: number[];
  /** Offsets from the beginning of the data, not of the file. */
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  tensors: Map<string, TensorEntry>;
  metadata: Map<string, string>;
  /** Where the data begins in the file. */
  dataStart: number;
}

/** Largest header that is accepted from outside. */
export const defaultHeaderBytes = 1_000_000;

const invalid = (problem: string, cause?: unknown): UnfoldError =>
  new UnfoldError('invalid_weights', `Not a usable safetensors file: ${problem}.`, { cause });

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const parseEntry = (name: string, value: unknown, dataBytes: number): TensorEntry => {
  const quoted = JSON.stringify(name);
  if (value === null || typeof value !== 'object')
    throw invalid(`tensor ${quoted} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (!isDtype(dtype))
    throw invalid(`tensor ${quoted} has dtype ${JSON.stringify(dtype)}, expected F64, F32, F16 or BF16`);
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every(isCount))
    throw invalid(`the shape of tensor ${quoted} is not a list of at most 8 sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw invalid(`the data_offsets of tensor ${quoted} are not two offsets`);
  const [begin, end] = offsets as [number, number];
  const bytes = (shape as number[]).reduce((product, size) => product * size, dtypeBytes[dtype]);
  if (!Number.isSafeInteger(bytes)) throw invalid(`the shape of tensor ${quoted} overflows`);
  if (end < begin || end - begin !== bytes)
    throw invalid(`tensor ${quoted} needs ${bytes} bytes, but its data_offsets span ${end - begin}`);
  if (end > dataBytes)
    throw invalid(`tensor ${quoted} ends at byte ${end} of the data, but the file holds only ${dataBytes}`);
  return { dtype, shape: shape as number[], begin, end };
};

/** Tensors must follow each other without a gap or an overlap, and fill the file. */
const checkCoverage = (tensors: Map<string, TensorEntry>, dataBytes: number): void => {
  let covered = 0;
  for (const [name, entry] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== covered)
      throw invalid(
        `tensor ${JSON.stringify(name)} begins at byte ${entry.begin} of the data, expected ${covered}: tensors must not overlap or leave gaps`,
      );
    covered = entry.end;
  }
  if (covered !== dataBytes)
    throw invalid(`the tensors end at byte ${covered} of the data, but the file holds ${dataBytes}`);
};

const parseMetadata = (value: unknown): Map<string, string> => {
  if (value === undefined) return new Map();
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw invalid('__metadata__ is not an object');
  const entries = Object.entries(value as Record<string, unknown>);
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string'))
    throw invalid('__metadata__ holds something other than text');
  return new Map(entries);
};

/**
 * Reads and checks a header: length, names, types, shapes and offsets, before anything of their size is allocated.
 * @param bytes the file, or at least its header
 * @param limits `headerBytes`: largest accepted header; `fileBytes`: the file's size, when `bytes` is only its beginning
 * @throws UnfoldError `invalid_weights`
 */
export const readHeader = (
  bytes: Uint8Array,
  limits: { headerBytes?: number; fileBytes?: number } = {},
): SafetensorsHeader => {
  const { headerBytes = defaultHeaderBytes, fileBytes = bytes.length } = limits;
  if (bytes.length < 8) throw invalid(`it has ${fileBytes} bytes, fewer than the 8 of its header's length`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(headerBytes))
    throw invalid(`its header claims ${length} bytes, but at most ${headerBytes} are accepted`);
  const dataStart = 8 + Number(length);
  if (dataStart > fileBytes || dataStart > bytes.length)
    throw invalid(
      `its header claims ${length} bytes, but the file ends after ${Math.min(fileBytes, bytes.length) - 8}`,
    );

  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, dataStart)));
  } catch (error) {
    throw invalid('its header is not JSON', error);
  }
  if (header === null || typeof header !== 'object' || Array.isArray(header))
    throw invalid('its header is not an object');

  const dataBytes = fileBytes - dataStart;
  const tensors = new Map<string, TensorEntry>();
  let metadata = new Map<string, string>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') metadata = parseMetadata(value);
    else tensors.set(name, parseEntry(name, value, dataBytes));
  }
  checkCoverage(tensors, dataBytes);
  return { tensors, metadata, dataStart };
};

/** A tensor's values, converted: a fresh array of the asked type. Narrow types widen exactly; F64 → F32 rounds. */
export const readTensor = <A extends Float32Array | Float64Array>(
  bytes: Uint8Array,
  header: SafetensorsHeader,
  name: string,
  As: new (values: Float64Array | ArrayBuffer) => A,
): A => {
  const entry = header.tensors.get(name);
  if (entry === undefined) throw invalid(`tensor ${JSON.stringify(name)} is missing`);
  // Copied by the constructor, since a Buffer's own `slice` would share its memory.
  const raw = new Uint8Array(bytes.subarray(header.dataStart + entry.begin, header.dataStart + entry.end));
  const exact = entry.dtype === 'F32' ? Float32Array : entry.dtype === 'F64' ? Float64Array : null;
  if (exact !== null && (As as unknown) === exact) return new As(raw.buffer);
  return new As(convertToDouble(raw, entry.dtype));
};

export interface TensorToWrite {
  name: string;
  dtype: 'F32' | 'F64';
  shape: readonly number[];
  /** Writes the values into their place in the file. Called one after the other. */
  write: (place: Float32Array | Float64Array) => Promise<unknown>;
}

/** Memory for a file of so many bytes; what it held before does not matter. */
export type FileMemory = (bytes: number) => Uint8Array;

const freshMemory: FileMemory = (bytes) => new Uint8Array(bytes);

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Lays a file out: its bytes with the header written, and a view on each tensor's place. */
const layOut = (
  tensors: readonly Omit<TensorToWrite, 'write'>[],
  metadata: Record<string, string>,
  memory: FileMemory,
): { file: Uint8Array; places: (Float32Array | Float64Array)[] } => {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  const begins = tensors.map(({ name, dtype, shape }) => {
    const begin = end;
    end += count(shape) * dtypeBytes[dtype];
    header[name] = { dtype, shape, data_offsets: [begin, end] };
    return begin;
  });
  let text = Buffer.from(JSON.stringify(header));
  // Spaces pad the header so that the data is aligned for every type.
  text = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const file = memory(8 + text.length + end);
  new DataView(file.buffer, file.byteOffset).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  const places = tensors.map(({ dtype, shape }, k) => {
    const begin = file.byteOffset + 8 + text.length + begins[k]!;
    return dtype === 'F32'
      ? new Float32Array(file.buffer, begin, count(shape))
      : new Float64Array(file.buffer, begin, count(shape));
  });
  return { file, places };
};

/** F64 before F32, so that every tensor lies aligned. */
const byAlignment = (tensors: readonly TensorToWrite[]): TensorToWrite[] => [
  ...tensors.filter(({ dtype }) => dtype === 'F64'),
  ...tensors.filter(({ dtype }) => dtype === 'F32'),
];

/** A safetensors file. @param memory where to write it, at a multiple of 8 bytes; fresh memory by default */
export const writeSafetensors = async (
  tensors: readonly TensorToWrite[],
  metadata: Record<string, string>,
  memory: FileMemory = freshMemory,
): Promise<Uint8Array> => {
  const ordered = byAlignment(tensors);
  const { file, places } = layOut(ordered, metadata, memory);
  for (const [k, { write }] of ordered.entries()) await write(places[k]!);
  return file;
};

/** The same from values that are at hand. */
export const writeSafetensorsSync = (
  tensors: readonly (Omit<TensorToWrite, 'write'> & { values: () => ArrayLike<number> })[],
  metadata: Record<string, string>,
): Uint8Array => {
  const { file, places } = layOut(tensors, metadata, freshMemory);
  for (const [k, { values }] of tensors.entries()) places[k]!.set(values());
  return file;
};
