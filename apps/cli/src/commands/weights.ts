import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { CommandError } from '../command-error.ts';
import { formatBytes } from '../output/format.ts';
import { print, printJson, tell } from '../output/print.ts';
import { findService, type ServiceOptions } from '../service-address.ts';

/** Passes bytes on and remembers their digest. */
const digesting = () => {
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    async *pass(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.byteLength;
        yield chunk;
      }
    },
    result: () => ({ bytes, sha256: hash.digest('hex') }),
  };
};

/** `unfold weights`: a file that is there is whole, or as it was. */
export const saveWeights = async (
  model: string,
  { output = `${model}.safetensors`, ...service }: ServiceOptions & { output?: string },
): Promise<void> => {
  const unfold = await findService(service);
  const answer = await unfold.models.weights(model);
  const content = Readable.fromWeb(answer.body as ReadableStream<Uint8Array>);
  if (output === '-') return pipeline(content, process.stdout, { end: false });
  const digest = digesting();
  const partial = `${output}.part`;
  try {
    await pipeline(content, digest.pass, createWriteStream(partial));
    const { bytes, sha256 } = digest.result();
    const expected = answer.headers.get('etag')?.replaceAll('"', '');
    if (expected !== undefined && expected !== sha256)
      throw new CommandError(`The weights of ${model} arrived damaged: their sha256 is not ${expected}.`);
    await rename(partial, output);
    if (service.json) printJson({ model, path: output, bytes, sha256 });
    else {
      print(output);
      if (process.stdout.isTTY) tell(`${formatBytes(bytes)}, sha256 ${sha256}`);
    }
  } finally {
    await rm(partial, { force: true });
  }
};
