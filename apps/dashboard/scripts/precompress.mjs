import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';

const compressible = /\.(html|js|css|svg)$/;
const encodings = [
  ['br', promisify(brotliCompress)],
  ['gz', (data) => promisify(gzip)(data, { level: 9 })],
];

/** Writes a .br and a .gz beside each text of the built page, so that no request waits for a compressor. */
export const precompress = () => {
  let folder = '';
  return {
    name: 'unfold-precompress',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    async closeBundle() {
      const files = await readdir(folder, { recursive: true });
      const compress = async (file) => {
        const data = await readFile(join(folder, file));
        for (const [ending, encode] of encodings)
          await writeFile(join(folder, `${file}.${ending}`), await encode(data));
      };
      await Promise.all(files.filter((file) => compressible.test(file)).map(compress));
    },
  };
};
