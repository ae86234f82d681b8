// Packs the addon for machines like this one that have no compiler: npm run pack-native -w @unfold/kernels
// writes prebuilds/<platform>-<architecture>[-<C library>]/unfold_kernels.node, which the loader takes where nothing was built. It serves
// every version of Node from 20 on, and every processor of the architecture. The C library must be as new as the one here.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { execPath, exit } from 'node:process';
import { root, target } from './target.mjs';

const { status } = spawnSync(execPath, [join(root, 'scripts', 'build-native.mjs')], { stdio: 'inherit' });
if (status !== 0) exit(1);
const folder = join(root, 'prebuilds', target());
// Nothing is there to be packed where a packed one of these very sources spared the build.
if (existsSync(join(root, 'build', 'fingerprint'))) {
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, 'build', 'Release', 'unfold_kernels.node'), join(folder, 'unfold_kernels.node'));
  cpSync(join(root, 'build', 'fingerprint'), join(folder, 'fingerprint'));
}
console.log(join(folder, 'unfold_kernels.node'));
