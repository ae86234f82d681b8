// Runs the conformance suite and the engine's own tests on the AVX-512 sets, on any x64 Linux with AVX2: their sources are compiled against
// checks/avx512-model/immintrin.h, which stands in for the instructions. Everything but the compiler's choice of instructions is what runs elsewhere.
//
//   npm run conformance:avx512 -w @unfold/kernels
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { env, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'build', 'avx512-model');

function run(command, arguments_, options = {}) {
  const { status, error } = spawnSync(command, arguments_, { stdio: 'inherit', cwd: root, ...options });
  if (error) throw error;
  if (status !== 0) exit(status ?? 1);
}

// Before the folder is made: a build empties what is above it.
run(execPath, [join(root, 'scripts', 'build-native.mjs')]);
mkdirSync(folder, { recursive: true });

const compiler = env.CXX ?? 'g++';
const common = ['-std=c++17', '-O2', '-fPIC', '-ffp-contract=off', '-fno-math-errno', '-Wno-psabi'];
const model = ['-mavx2', '-mfma', '-I', join(root, 'scripts', 'checks', 'avx512-model')];
function compile(source, name, more) {
  const object = join(folder, `${name}.o`);
  run(compiler, [...common, ...more, '-c', source, '-o', object]);
  return object;
}
const built = join(root, 'build', 'Release', 'obj.target');
const objects = [
  compile('native/kernels/all.cc', 'avx512', [...model, '-DUNFOLD_AVX512']),
  compile('native/kernels/dots.cc', 'avx512_bf16', [...model, '-DUNFOLD_AVX512_BF16']),
  // The dispatch takes this processor for one that has everything.
  compile('native/dispatch.cc', 'dispatch', ['-D__builtin_cpu_supports(feature)=1']),
  ...['baseline', 'avx2'].map((set) => join(built, `kernels_${set}`, 'native', 'kernels', 'all.o')),
  join(built, 'unfold_kernels', 'native', 'pool.o'),
  ...readdirSync(join(built, 'unfold_kernels', 'native', 'addon'))
    .filter((name) => name.endsWith('.o'))
    .map((name) => join(built, 'unfold_kernels', 'native', 'addon', name)),
];
const addon = join(folder, 'unfold_kernels.node');
run(compiler, ['-shared', '-pthread', ...objects, '-o', addon]);

run(
  'npx',
  ['vitest', 'run', 'packages/kernels/src/conformance', 'packages/kernels/src/native', '-t', 'avx512'],
  {
    cwd: join(root, '..', '..'),
    env: { ...env, UNFOLD_TEST_NATIVE_ADDON: addon },
  },
);
