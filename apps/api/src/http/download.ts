import { Readable } from 'node:stream';
import { UnfoldError } from '@unfold/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import parseRange from 'range-parser';
import { isUnchanged } from './conditional.ts';

/** Something that never changes, to be downloaded. */
export interface Download {
  sha256: string;
  bytes: number;
  type: string;
  filename: string;
  /** Its bytes, or those from `start` to `end`, both included. Not called for HEAD. */
  open(range?: { start: number; end: number }): Promise<Readable | Buffer> | Readable | Buffer;
}

interface Range {
  start: number;
  end: number;
}

/** RFC 6266: a plain name for old clients, the exact one for the others. */
const attachment = (filename: string): string => {
  const plain = filename.replace(/[^\x20-\x7e]|["\\]/g, '_');
  const exact = encodeURIComponent(filename).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
};

/**
 * The one range that is asked for (RFC 9110, section 14.2). Null: all of it, which is also the answer to several ranges, to a malformed one,
 * and to a range of a version that the client no longer has (`If-Range`).
 */
const wantedRange = (
  request: FastifyRequest,
  reply: FastifyReply,
  { sha256, bytes }: Download,
): Range | null => {
  const { range, 'if-range': ifRange } = request.headers;
  if (request.method !== 'GET' || range === undefined) return null;
  if (ifRange !== undefined && ifRange !== `"${sha256}"`) return null;
  const ranges = parseRange(bytes, range);
  if (ranges === -1) {
    reply.header('content-range', `bytes */${bytes}`);
    throw new UnfoldError('range_not_satisfiable', `Range: expected bytes within 0 to ${bytes - 1}.`, {
      param: 'Range',
    });
  }
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return null;
  return ranges[0] ?? null;
};

/** Answers with a download: ETag, 304, one range, and the headers alone for HEAD. */
export const sendDownload = async (
  request: FastifyRequest,
  reply: FastifyReply,
  download: Download,
): Promise<FastifyReply> => {
  const { sha256, bytes, type, filename } = download;
  if (isUnchanged(request, reply, sha256)) return reply.send();
  reply.header('accept-ranges', 'bytes');
  const range = wantedRange(request, reply, download);
  reply
    .header('content-type', type)
    .header('content-length', range === null ? bytes : range.end - range.start + 1)
    .header('content-disposition', attachment(filename));
  // An empty stream leaves the length that a GET would have.
  if (request.method === 'HEAD') return reply.send(Readable.from([]));
  if (range === null) return reply.send(await download.open());
  reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${bytes}`);
  return reply.send(await download.open({ start: range.start, end: range.end }));
};
