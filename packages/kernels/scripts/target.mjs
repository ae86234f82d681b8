import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { arch, env, execPath, platform, report, version } from 'node:process';
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

/** The folder whose include/node holds the running Node's headers; undefined: there is none. */
export function headerRoot() {
  const candidates = [dirname(dirname(execPath)), env.npm_config_nodedir, '/usr', '/usr/local'];
  return candidates.filter(Boolean).find((folder) => {
    const header = join(folder, 'include', 'node', 'node_version.h');
    if (!existsSync(header) || !existsSync(join(folder, 'include', 'node', 'node_api.h'))) return false;
    const major = /#define NODE_MAJOR_VERSION (\d+)/.exec(readFileSync(header, 'utf8'))?.[1];
    return version.startsWith(`v${major}.`);
  });
}
