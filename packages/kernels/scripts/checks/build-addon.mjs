import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root } from '../target.mjs';

const native = join(root, 'native');

/** Rounding as in binding.gyp: what is checked computes what is shipped. */
const common = [
  '-std=c++17',
  '-fPIC',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fvisibility=hidden',
];

/** Flags of each instruction set, as in binding.gyp. */
export const setFlags = {
  baseline: [],
  avx2: ['-mavx2', '-mfma', '-DUNFOLD_AVX2'],
  avx512: ['-mavx512f', '-mfma', '-mprefer-vector-width=512', '-DUNFOLD_AVX512', '-Wno-maybe-uninitialized'],
  avx512_bf16: [
    ...['-mavx512f', '-mavx512bf16', '-mfma', '-mprefer-vector-width=512'],
    ...['-DUNFOLD_AVX512_BF16', '-Wno-maybe-uninitialized'],
  ],
  neon: ['-DUNFOLD_NEON'],
};

function execute(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', cwd: root });
    child.on('error', reject);
    child.on('exit', (status) => {
      if (status === 0) resolve();
      else reject(new Error(`${command} failed with ${status}.`));
    });
  });
}

/** Runs the jobs, as many at once as there are processors, the first ones first. */
async function runAll(jobs) {
  const waiting = [...jobs];
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await job();
    }),
  );
}

/**
 * Compiles the addon apart from the installed one, into build-checks/`name`, and returns its path. `sets` gives the flags of each instruction
 * set, `flags` go to every source, `defines` to all but the kernels; `headers` is the folder that holds node_api.h.
 */
export async function buildAddon({ name, compiler, flags, sets, defines = [], headers }) {
  const folder = join(root, 'build-checks', name);
  mkdirSync(folder, { recursive: true });
  const addonApi = createRequire(import.meta.url)('node-addon-api').include_dir;
  const addonFlags = [
    '-isystem',
    headers,
    '-isystem',
    join(root, addonApi),
    '-DNAPI_VERSION=8',
    '-DNAPI_CPP_EXCEPTIONS',
    '-DNODE_ADDON_API_CPP_EXCEPTIONS_ALL',
    '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
  ];
  const sources = [
    ...Object.entries(sets).map(([set, own]) => [
      join(native, 'kernels', set === 'avx512_bf16' ? 'dots.cc' : 'all.cc'),
      `kernels-${set}`,
      own,
    ]),
    ...readdirSync(join(native, 'addon'))
      .filter((file) => file.endsWith('.cc'))
      .map((file) => [join(native, 'addon', file), `addon-${file}`, [...addonFlags, ...defines]]),
    ...readdirSync(native)
      .filter((file) => file.endsWith('.cc'))
      .map((file) => [join(native, file), file, defines]),
  ].map(([source, object, own]) => ({ source, object: join(folder, `${object}.o`), own }));
  await runAll(
    sources.map(
      ({ source, object, own }) =>
        () =>
          execute(compiler, [...common, ...flags, ...own, '-c', source, '-o', object]),
    ),
  );
  const addon = join(folder, 'unfold_kernels.node');
  await execute(compiler, ['-shared', ...flags, ...sources.map(({ object }) => object), '-o', addon]);
  return addon;
}
