// Compiles the native kernels with what is already on this machine: nothing is ever downloaded. It does nothing where they are built, or
// packed for this platform, from the present sources.
//   as npm's install script: where something is missing, one line says what, the installation succeeds, and the reference engine computes
//   with --if-possible: the same, and a compiler that failed on these very sources is not tried again. npm shows no output of a
//     package's script, so the clone's own postinstall says that line, and the start of a service builds what an update changed
//   by hand: a failure is an error
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { argv, env, execPath, exit, platform } from 'node:process';
import { fingerprint, headerRoot, root, target } from './target.mjs';

const ifPossible = argv[2] === '--if-possible';
const required = env.npm_lifecycle_event !== 'install' && !ifPossible;

/** Says in one line why there is no native engine, and ends. */
function stop(reason) {
  console.error(
    `@unfold/kernels: native kernels not built: ${reason} The reference engine will compute, much slower, ` +
      'until `npm rebuild @unfold/kernels --foreground-scripts` succeeds.',
  );
  exit(required ? 1 : 0);
}

function works(command) {
  const [program, ...words] = command.split(' ');
  return (
    spawnSync(program, [...words, '--version'], { stdio: 'ignore', shell: platform === 'win32' }).status === 0
  );
}

const build = join(root, 'build');
const print = fingerprint();
const says = (path) => existsSync(path) && readFileSync(path, 'utf8') === print;

for (const folder of [build, join(root, 'prebuilds', target())])
  if (says(join(folder, 'fingerprint'))) exit(0);
const failed = join(build, 'failed');
const log = join(build, 'build.log');
if (ifPossible && says(failed)) stop(`the compiler failed, see ${log}.`);

if (platform === 'win32') stop('they need GCC or Clang.');
const compilers = env.CXX ? [env.CXX] : ['g++', 'c++', 'clang++'];
const compiler = compilers.find(works);
if (compiler === undefined) stop(`there is no C++ compiler (${compilers.join(', ')}).`);
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
  env: { ...env, CXX: compiler },
});
mkdirSync(build, { recursive: true });
writeFileSync(log, output?.join('') ?? '');
if (status !== 0) {
  writeFileSync(failed, print);
  stop(`the compiler failed, see ${log}.`);
}
writeFileSync(join(build, 'fingerprint'), print);
console.log(
  `@unfold/kernels: native kernels built in ${((performance.now() - started) / 1000).toFixed(0)} s.`,
);
