import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

/** Values of an array that are written at once: some hundred microseconds of this thread. */
const mostAtOnce = 4096;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The text that `JSON.stringify` writes of plain data, in pieces: long arrays a stretch at a time. */
export function* jsonPieces(value: unknown): Generator<string> {
  if (Array.isArray(value) && value.length > mostAtOnce) {
    for (let first = 0; first < value.length; first += mostAtOnce) {
      const stretch = JSON.stringify(value.slice(first, first + mostAtOnce));
      yield (first === 0 ? '[' : ',') + stretch.slice(1, -1);
    }
    yield ']';
  } else if (isRecord(value)) {
    let before = '{';
    for (const [key, inner] of Object.entries(value)) {
      if (inner === undefined) continue;
      yield `${before}${JSON.stringify(key)}:`;
      yield* jsonPieces(inner);
      before = ',';
    }
    yield before === '{' ? '{}' : '}';
  } else yield JSON.stringify(value);
}

/**
 * Answers with JSON that may be many megabytes: written as its reader takes it, so that neither this thread nor its memory holds all
 * of the text at once.
 */
export const sendLargeJson = (reply: FastifyReply, value: unknown): FastifyReply =>
  reply
    .header('content-type', 'application/json; charset=utf-8')
    .send(Readable.from(jsonPieces(value), { objectMode: false }));
