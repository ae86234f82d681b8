import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const packagesIn = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? null;
  } catch {
    return null;
  }
};

/**
 * Whether node_modules holds what the lockfile asks for and nothing else, such as after an `npm ci` of one's own: npm writes down in a lockfile
 * of its own what it has installed, once all of it is there. What is optional may be missing, written down or not: it is of other platforms, or its
 * own installation needed what it could not download.
 * @param root folder of package-lock.json
 */
export const isInstalled = (root) => {
  const wanted = packagesIn(join(root, 'package-lock.json'));
  const found = packagesIn(join(root, 'node_modules/.package-lock.json'));
  if (wanted === null || found === null) return false;
  const isThere = ([path, { version, integrity, optional }]) => {
    const own = found[path];
    const isMissing = own === undefined || !existsSync(join(root, path));
    if (path === '' || (isMissing && optional)) return true;
    return !isMissing && own.version === version && own.integrity === integrity;
  };
  return Object.entries(wanted).every(isThere) && Object.keys(found).every((path) => path in wanted);
};
