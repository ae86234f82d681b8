import { type FileHandle, open } from 'node:fs/promises';
import type { DataFile } from './data-problem.ts';
import { problem } from './data-problem.ts';
import type { DataRecord, Vectors } from './data-record.ts';
import { normalizeInto } from './normalization.ts';
import type { RecordEncoding, VectorEncoding } from './record-encoding.ts';
import type { TokenList } from './token-list.ts';

/** Appends to a file in large writes. */
export class BufferedFile {
  #file: FileHandle;
  #pieces: Uint8Array[] = [];
  #held = 0;
  /** Bytes appended. */
  bytes = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string): Promise<BufferedFile> {
    return new BufferedFile(await open(path, 'w'));
  }

  async append(values: ArrayBufferView): Promise<void> {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
    this.#pieces.push(bytes);
    this.#held += bytes.length;
    this.bytes += bytes.length;
    if (this.#held > 1 << 18) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#held > 0) await this.#file.writeFile(Buffer.concat(this.#pieces));
    this.#pieces = [];
    this.#held = 0;
  }

  async sync(): Promise<void> {
    await this.flush();
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Bytes of an entry of an index: offset as float64, steps and line as uint32. */
export const indexEntryBytes = 16;

export const indexEntry = (offset: number, steps: number, line: number): Uint8Array => {
  const bytes = new Uint8Array(indexEntryBytes);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, offset, true);
  view.setUint32(8, steps, true);
  view.setUint32(12, line, true);
  return bytes;
};

const encodeVectors = (values: Float64Array, { normalization }: VectorEncoding): Float32Array => {
  const encoded = new Float32Array(values.length);
  normalizeInto(values, normalization, encoded);
  return encoded;
};

/** A step without a target is a row of NaN. */
const encodeTargets = (vectors: Vectors, encoding: VectorEncoding): Float32Array => {
  const encoded = encodeVectors(vectors.values, encoding);
  vectors.present?.forEach((present, t) => {
    if (present === 0) encoded.fill(Number.NaN, t * vectors.width, (t + 1) * vectors.width);
  });
  return encoded;
};

const closedId = (list: TokenList, token: string, param: DataFile['param'], what: string): number => {
  const id = list.idOf(token);
  if (id >= 0) return id;
  throw problem(
    `${what} that occurs in the training data`,
    `${JSON.stringify(token)}${param === 'file' ? '' : ', which does not'}`,
  );
};

/**
 * A record as it lies in the file: the input's ids (int32) or numbers (float32), [T] or [T, width]; then the output's, −1 or NaN where there
 * is no target, or one label; then the context's.
 */
export const encodeRecord = (
  { input, output, context }: DataRecord,
  encoding: RecordEncoding,
  param: DataFile['param'],
): { steps: number; parts: (Int32Array | Float32Array)[] } => {
  const parts: (Int32Array | Float32Array)[] = [];
  if (input.kind === 'text')
    parts.push(
      (encoding.input as { tokenizer: { encode(text: string): Int32Array } }).tokenizer.encode(input.text),
    );
  else if (input.kind === 'tokens') {
    const { list } = encoding.input as { list: TokenList };
    parts.push(Int32Array.from(input.tokens, (token) => list.idOf(token!)));
  } else parts.push(encodeVectors(input.values, encoding.input as VectorEncoding));
  const steps = input.kind === 'vectors' ? input.steps : parts[0]!.length;

  if (output?.kind === 'vectors') parts.push(encodeTargets(output, encoding.output as VectorEncoding));
  if (output?.kind === 'tokens') {
    const { list } = encoding.output as { list: TokenList };
    parts.push(
      Int32Array.from(output.tokens, (token) =>
        token === null ? -1 : closedId(list, token, param, 'an output token'),
      ),
    );
  }
  if (output?.kind === 'label')
    parts.push(
      Int32Array.of(closedId((encoding.output as { list: TokenList }).list, output.label, param, 'a label')),
    );

  if (context?.kind === 'label')
    parts.push(
      Int32Array.of(
        closedId((encoding.context as { list: TokenList }).list, context.label, param, 'a context'),
      ),
    );
  if (context?.kind === 'vector')
    parts.push(encodeVectors(context.values, encoding.context as VectorEncoding));
  return { steps, parts };
};
