// Builds the addon under sanitizers and runs the conformance suite and the engine's own tests on it, every instruction set of
// this machine:
//   npm run sanitize -w @unfold/kernels              AddressSanitizer and UndefinedBehaviorSanitizer
//   npm run sanitize -w @unfold/kernels -- thread    ThreadSanitizer
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { arch, argv, env, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const house = join(root, '..', '..');
const which = argv[2] === 'thread' ? 'thread' : 'address';
const flags =
  which === 'thread'
    ? ['-fsanitize=thread']
    : ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'];
const compiler = env.CXX ?? 'g++';
const folder = join(root, 'build', `sanitize-${which}`);
mkdirSync(folder, { recursive: true });

function run(command, arguments_, options = {}) {
  const { status, error } = spawnSync(command, arguments_, { stdio: 'inherit', cwd: root, ...options });
  if (error) throw error;
  if (status !== 0) exit(status ?? 1);
}

const common = ['-std=c++17', '-O2', '-g', '-fPIC', '-fno-omit-frame-pointer', '-ffp-contract=off', ...flags];
const sets = {
  x64: {
    baseline: [],
    avx2: ['-mavx2', '-mfma', '-DUNFOLD_AVX2'],
    avx512: ['-mavx512f', '-mfma', '-DUNFOLD_AVX512', '-Wno-maybe-uninitialized'],
  },
  arm64: { baseline: [], neon: ['-DUNFOLD_NEON'] },
}[arch];
if (sets === undefined) throw new Error(`No sanitizer build is described for ${arch}.`);

const addonApi = createRequire(import.meta.url)('node-addon-api').include_dir;
const headers = [
  '-isystem',
  join(dirname(dirname(execPath)), 'include', 'node'),
  '-isystem',
  join(root, addonApi),
];
const objects = [];
function compile(source, name, more) {
  const object = join(folder, `${name}.o`);
  run(compiler, [...common, ...more, '-c', source, '-o', object]);
  objects.push(object);
}
for (const [set, more] of Object.entries(sets)) compile('native/kernels/all.cc', `kernels-${set}`, more);
if (arch === 'x64')
  compile('native/kernels/dots.cc', 'dots-avx512_bf16', [
    '-mavx512f',
    '-mavx512bf16',
    '-mfma',
    '-DUNFOLD_AVX512_BF16',
    '-Wno-maybe-uninitialized',
  ]);
for (const name of ['pool', 'dispatch']) compile(`native/${name}.cc`, name, []);
for (const file of readdirSync(join(root, 'native', 'addon')).filter((name) => name.endsWith('.cc')))
  compile(`native/addon/${file}`, file, [...headers, '-DNAPI_VERSION=8', '-DNAPI_CPP_EXCEPTIONS']);
const addon = join(folder, 'unfold_kernels.node');
run(compiler, ['-shared', ...flags, ...objects, '-o', addon]);

const library = spawnSync(compiler, [`-print-file-name=lib${which === 'thread' ? 'tsan' : 'asan'}.so`], {
  encoding: 'utf8',
});
// Node itself is not built for sanitizers: its runtime must be there before Node is, and V8's own memory is not ours to judge.
run(
  execPath,
  [
    join(house, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    'packages/kernels/src/conformance',
    'packages/kernels/src/native',
  ],
  {
    cwd: house,
    env: {
      ...env,
      LD_PRELOAD: library.stdout.trim(),
      UNFOLD_TEST_NATIVE_ADDON: addon,
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:allocator_may_return_null=1',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
      TSAN_OPTIONS: `halt_on_error=1:allocator_may_return_null=1:suppressions=${join(root, 'scripts', 'thread-sanitizer.supp')}`,
    },
  },
);
