// Compiles the native kernels with what is already on this machine: nothing is ever downloaded. It does nothing where they are built, or
// packed for this platform, from the present sources.
//   as npm's install script: where something is missing, one line says what, the installation succeeds, and the reference engine computes
//   with --if-possible: the same, and a compiler that failed on these very sources is not tried again. npm shows no output of a
//     package's script, so the clone's own postinstall says that line, and the start of a service builds what an update changed
//   by hand: a failure is an error
// One process builds, others wait for it and take what it made. It compiles in build-next/ and puts that in the place of build/ when all is done,
// so that who loads the addon meanwhile finds the one that was there.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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

const failed = join(build, 'failed');
const log = join(build, 'build.log');

/** Ends where there is nothing to do. */
function endIfSettled() {
  for (const folder of [build, join(root, 'prebuilds', target())])
    if (says(join(folder, 'fingerprint'))) exit(0);
  if (ifPossible && says(failed)) stop(`the compiler failed, see ${log}.`);
}

endIfSettled();

if (platform === 'win32') stop('they need GCC or Clang.');
const compilers = env.CXX ? [env.CXX] : ['g++', 'c++', 'clang++'];
const compiler = compilers.find(works);
if (compiler === undefined) stop(`there is no C++ compiler (${compilers.join(', ')}).`);
if (!works('make')) stop('there is no make.');
if (!works(env.PYTHON ?? 'python3')) stop('there is no python3, which node-gyp needs.');
const nodedir = headerRoot();
if (nodedir === undefined) stop(`Node's headers (include/node/node_api.h) are not beside ${execPath}.`);

let gyp;
try {
  gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
} catch {
  stop('node-gyp is missing, since development packages were left out.');
}

// Held until this process ends; one that was killed loses it after ten seconds.
const { lock } = await import('proper-lockfile');
const withoutLock = (error) => stop(`there is no lock to be had: ${error.message}.`);
await lock(root, {
  lockfilePath: join(root, 'build.lock'),
  retries: { forever: true, minTimeout: 200, maxTimeout: 1000 },
  onCompromised: withoutLock,
}).catch(withoutLock);
endIfSettled();

const started = performance.now();
const next = join(root, 'build-next');
rmSync(next, { recursive: true, force: true });
mkdirSync(next);
for (const source of ['binding.gyp', 'native'])
  cpSync(join(root, source), join(next, source), { recursive: true });
const compilation = spawn(execPath, [gyp, 'rebuild', `--nodedir=${nodedir}`, '--jobs=max'], {
  cwd: next,
  env: { ...env, CXX: compiler },
});
const output = [];
for (const stream of [compilation.stdout, compilation.stderr]) stream.on('data', (data) => output.push(data));
const [status, signal] = await once(compilation, 'close');
if (signal !== null) stop(`the compiler was ended by ${signal}.`);
const made = join(next, 'build');
mkdirSync(made, { recursive: true });
writeFileSync(join(made, 'build.log'), Buffer.concat(output));
// Of the sources as they were before: those that came while it compiled want another build.
writeFileSync(join(made, status === 0 ? 'fingerprint' : 'failed'), print);
rmSync(build, { recursive: true, force: true });
renameSync(made, build);
rmSync(next, { recursive: true, force: true });
if (status !== 0) stop(`the compiler failed, see ${log}.`);
console.log(
  `@unfold/kernels: native kernels built in ${((performance.now() - started) / 1000).toFixed(0)} s.`,
);
