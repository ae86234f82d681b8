// Compiles the native kernels at installation, with what is already on this machine: nothing is ever downloaded. Where something is
// missing, one line says what, the installation succeeds, and the reference engine computes until `npm rebuild @unfold/kernels`.
//
// `node scripts/build-native.mjs` builds on demand; then a failure is an error.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { arch, env, execPath, exit, platform, version } from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const required = env.npm_lifecycle_event !== 'install';

/** Says in one line why there is no native engine, and ends. */
function stop(reason) {
  console.error(
    `@unfold/kernels: native kernels not built: ${reason} The reference engine will compute, much slower.`,
  );
  exit(required ? 1 : 0);
}

function works(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore', shell: platform === 'win32' }).status === 0;
}

/** The folder whose include/node holds the running Node's headers. */
function headerRoot() {
  const candidates = [dirname(dirname(execPath)), '/usr', '/usr/local'];
  return candidates.find((folder) => {
    const header = join(folder, 'include', 'node', 'node_version.h');
    if (!existsSync(header) || !existsSync(join(folder, 'include', 'node', 'node_api.h'))) return false;
    const major = /#define NODE_MAJOR_VERSION (\d+)/.exec(readFileSync(header, 'utf8'))?.[1];
    return version.startsWith(`v${major}.`);
  });
}

/** What the build depends on: sources and settings. Node's version is not among them: N-API is stable. */
function fingerprint() {
  const hash = createHash('sha256').update(`${platform} ${arch}`);
  for (const file of [
    'binding.gyp',
    ...readdirSync(join(root, 'native'), { recursive: true }).map((name) => join('native', name)),
  ].sort()) {
    if (/\.(cc|h|gyp)$/.test(file)) hash.update(file).update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

if (!required && existsSync(join(root, 'prebuilds', `${platform}-${arch}`, 'unfold_kernels.node'))) exit(0);
if (platform === 'win32') stop('they need GCC or Clang.');

const build = join(root, 'build');
const stamp = join(build, 'fingerprint');
const print = fingerprint();
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === print) exit(0);

const compiler = env.CXX ?? 'g++';
if (!works(compiler) && !works('c++')) stop(`there is no C++ compiler (${compiler}).`);
if (!works('make')) stop('there is no make.');
if (!works(env.PYTHON ?? 'python3')) stop('there is no python3, which node-gyp needs.');
const nodedir = headerRoot();
if (nodedir === undefined) stop(`Node's headers (include/node/node_api.h) are not beside ${execPath}.`);

const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const started = performance.now();
const { status, output } = spawnSync(execPath, [gyp, 'rebuild', `--nodedir=${nodedir}`, '--jobs=max'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 1 << 28,
});
const log = join(build, 'build.log');
mkdirSync(build, { recursive: true });
writeFileSync(log, output?.join('') ?? '');
if (status !== 0) stop(`the compiler failed, see ${log}.`);
writeFileSync(stamp, print);
console.log(
  `@unfold/kernels: native kernels built in ${((performance.now() - started) / 1000).toFixed(0)} s.`,
);
