import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { interruption } from '../interruption.ts';
import { formatBytes } from '../output/format.ts';
import { print, printJson, tell } from '../output/print.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { findPlace, saveFile } from './save-file.ts';

/** Passes bytes on and remembers their digest. */
const digesting = () => {
  const hash = createHash('sha256');
  let bytes = 0;
  let sha256: string | null = null;
  return {
    async *pass(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.byteLength;
        yield chunk;
      }
    },
    /** When everything has passed. */
    result: () => ({ bytes, sha256: (sha256 ??= hash.digest('hex')) }),
  };
};

/** `unfold weights`: a file that is there is whole, or as it was. */
export const saveWeights = async (
  model: string,
  { output, ...service }: ServiceOptions & { output?: string },
): Promise<void> => {
  if (output === '-' && service.json)
    throw new CommandError('--json and -o - would both write to stdout: leave one out.', exitCodes.usage);
  const signal = interruption();
  const unfold = await findService(service);
  const name = `${model}.safetensors`;
  const place = output === '-' ? null : await findPlace(output ?? name, name);
  try {
    const answer = await unfold.models.weights(model, { signal });
    const content = Readable.fromWeb(answer.body as ReadableStream<Uint8Array>);
    if (place === null) return await pipeline(content, process.stdout, { end: false, signal });
    const digest = digesting();
    const check = (): void => {
      const expected = answer.headers.get('etag')?.replaceAll('"', '');
      if (expected !== undefined && expected !== digest.result().sha256)
        throw new CommandError(`The weights of ${model} arrived damaged: their sha256 is not ${expected}.`);
    };
    await saveFile(place, digest.pass(content), { check, signal });
    const { bytes, sha256 } = digest.result();
    if (service.json) return printJson({ model, path: place.path, bytes, sha256 });
    print(place.path);
    if (process.stdout.isTTY) tell(`${formatBytes(bytes)}, sha256 ${sha256}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new CommandError('Interrupted: nothing was saved.', exitCodes.interrupted);
  }
};
