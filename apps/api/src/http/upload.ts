import type { Multipart, MultipartFile } from '@fastify/multipart';
import { type FileResource, fileExpiry, filePurpose, parseRequest, UnfoldError } from '@unfold/contracts';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { refuseUnstorableText } from './storable.ts';

export interface Upload {
  filename: string;
  /** The content; reading it to its end also reads what follows the file. */
  content: AsyncIterable<Uint8Array>;
  /** Known once the content was read, since the field may follow the file. */
  readonly purpose: FileResource['purpose'];
  /** Seconds from the upload to its deletion; null: none. Known when the purpose is. */
  readonly expiresAfter: number | null;
}

/** By the names that OpenAI's clients give to fields within a field. */
const fields = {
  purpose: { param: 'purpose', schema: filePurpose },
  'expires_after[anchor]': { param: 'expires_after.anchor', schema: fileExpiry.shape.anchor },
  'expires_after[seconds]': { param: 'expires_after.seconds', schema: fileExpiry.shape.seconds },
};
type FieldName = keyof typeof fields;
const isField = (name: string): name is FieldName => Object.hasOwn(fields, name);

interface FieldValues {
  purpose?: FileResource['purpose'];
  'expires_after[anchor]'?: 'created_at';
  'expires_after[seconds]'?: number;
}

/** Adds what a part says to what is known. */
const readField = (part: Exclude<Multipart, MultipartFile>, known: FieldValues): void => {
  const name = part.fieldname;
  if (!isField(name)) {
    const param = name.slice(0, 80);
    throw new UnfoldError('unknown_field', `Unknown field ${param}.`, { param });
  }
  const { param, schema } = fields[name];
  if (known[name] !== undefined)
    throw new UnfoldError('invalid_value', `${param}: expected one value, but received two.`, { param });
  const value = part.valueTruncated ? '(longer than any value)' : part.value;
  Object.assign(known, { [name]: parseRequest(schema as z.ZodType, value, param) });
};

const missing = (param: string, expected: string): UnfoldError =>
  new UnfoldError('missing_field', `${param}: expected ${expected}, but received nothing.`, { param });

/** What must be there once everything was read. */
const checkComplete = (known: FieldValues): void => {
  if (known.purpose === undefined) throw missing('purpose', 'a purpose');
  const { 'expires_after[anchor]': anchor, 'expires_after[seconds]': seconds } = known;
  if (seconds === undefined && anchor !== undefined)
    throw missing('expires_after.seconds', 'a number of seconds');
  if (anchor === undefined && seconds !== undefined) throw missing('expires_after.anchor', '"created_at"');
};

const requireFile = (part: MultipartFile): MultipartFile => {
  if (part.fieldname !== 'file') {
    const param = part.fieldname.slice(0, 80);
    throw new UnfoldError('unknown_field', `Unknown field ${param}: expected the file in the field "file".`, {
      param,
    });
  }
  return part;
};

/** Browsers and scripts may send a path; only its last part is a name. */
const safeFilename = (given: string | undefined): string => {
  const name =
    (given ?? '')
      .split(/[/\\]/)
      .at(-1)
      ?.replace(/[\p{Cc}\p{Surrogate}]/gu, '')
      .trim()
      .slice(0, 255) ?? '';
  return name === '' ? 'file' : name;
};

const interrupted = (cause: unknown): UnfoldError => {
  if (cause instanceof UnfoldError) return cause;
  const { code } = cause as { code?: string };
  if (code === 'FST_PROTO_VIOLATION' || code === 'FST_INVALID_JSON_FIELD_ERROR')
    return new UnfoldError(
      'unknown_field',
      'expected the fields "file", "purpose" and "expires_after" only.',
      { cause },
    );
  if (code === 'FST_FIELDS_LIMIT' || code === 'FST_PARTS_LIMIT' || code === 'FST_FILES_LIMIT')
    return new UnfoldError('invalid_value', 'expected exactly one file and one purpose.', { cause });
  return new UnfoldError(
    'upload_interrupted',
    'The upload broke off before its end, or is not valid multipart data.',
    {
      cause,
    },
  );
};

const limits = { files: 2, fields: 6, parts: 8, fieldSize: 100, fieldNameSize: 100, headerPairs: 50 };

/**
 * Opens the one file of a multipart request without buffering it. Other fields may come before or after the file.
 * @throws UnfoldError `unsupported_media_type`, `missing_field`, `unknown_field`, `invalid_value`, `upload_interrupted`
 */
export const openUpload = async (request: FastifyRequest, limitBytes: number): Promise<Upload> => {
  if (!request.isMultipart())
    throw new UnfoldError('unsupported_media_type', 'expected the header content-type: multipart/form-data.');
  const parts = request.parts({
    // One byte more than the limit, so that the store sees that the limit was passed.
    limits: { ...limits, fileSize: limitBytes + 1 },
  });
  const known: FieldValues = {};

  const nextPart = async (): Promise<Multipart | null> => {
    const { value, done } = await parts.next().catch((cause) => {
      throw interrupted(cause);
    });
    return done ? null : value;
  };

  const findFile = async (): Promise<MultipartFile> => {
    for (let part = await nextPart(); part !== null; part = await nextPart()) {
      if (part.type === 'file') return requireFile(part);
      readField(part, known);
    }
    throw new UnfoldError('missing_field', 'file: expected a file, but received nothing.', { param: 'file' });
  };

  async function* read(file: MultipartFile): AsyncGenerator<Uint8Array> {
    try {
      yield* file.file as AsyncIterable<Uint8Array>;
    } catch (cause) {
      throw interrupted(cause);
    }
    for (let part = await nextPart(); part !== null; part = await nextPart()) {
      if (part.type === 'file')
        throw new UnfoldError('invalid_value', 'file: expected exactly one file, but received more.', {
          param: 'file',
        });
      readField(part, known);
    }
    checkComplete(known);
  }

  const file = await findFile();
  refuseUnstorableText(file.filename);
  return {
    filename: safeFilename(file.filename),
    content: read(file),
    get purpose() {
      return known.purpose ?? 'user_data';
    },
    get expiresAfter() {
      return known['expires_after[seconds]'] ?? null;
    },
  };
};

/** How long a client may go on sending what nobody reads. */
const drainMs = 10_000;

/**
 * After a refusal in the middle of a body: the rest is thrown away, so that the client gets to read the answer, but not
 * for ever.
 */
export const abandonBody = (request: FastifyRequest): void => {
  const { raw } = request;
  if (raw.complete) return;
  raw.unpipe();
  raw.resume();
  setTimeout(() => {
    if (!raw.complete) raw.socket.destroy();
  }, drainMs).unref();
};
