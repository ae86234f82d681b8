import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { arch, platform, report } from 'node:process';
import { fileURLToPath } from 'node:url';

/** The folder of this package. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** What an addon built here runs on, as its folder below prebuilds/ is called: N-API makes it serve every version of Node. */
export function target() {
  if (platform !== 'linux') return `${platform}-${arch}`;
  return `${platform}-${arch}-${report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'}`;
}

/** What the addon is made of: sources and settings. Node's version is not among them. */
export function fingerprint() {
  const hash = createHash('sha256').update(`${platform} ${arch}`);
  const sources = readdirSync(join(root, 'native'), { recursive: true }).map((name) => join('native', name));
  for (const file of ['binding.gyp', ...sources].sort())
    if (/\.(cc|h|gyp)$/.test(file)) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}
