// Builds the addon under sanitizers and runs the native engine's part of the conformance suite and its own tests on it, on every
// instruction set of this machine. AVX-512 is emulated by SIMDe where the processor lacks it (Debian: libsimde-dev):
//   npm run sanitize -w @unfold/kernels              AddressSanitizer and UndefinedBehaviorSanitizer
//   npm run sanitize -w @unfold/kernels -- thread    ThreadSanitizer
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { arch, argv, env, exit } from 'node:process';
import { buildAddon, setFlags } from './checks/build-addon.mjs';
import { runSuites } from './checks/run-suites.mjs';
import { headerRoot, root } from './target.mjs';

const which = argv[2] === 'thread' ? 'thread' : 'address';
const compiler = env.CXX ?? 'g++';
const sanitizers =
  which === 'thread'
    ? ['-fsanitize=thread']
    : ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer'];

function emulatesAvx512() {
  if (readFileSync('/proc/cpuinfo', 'utf8').includes('avx512f')) return false;
  if (existsSync('/usr/include/simde/x86/avx512.h')) return true;
  console.log('AVX-512 is left out: neither this processor nor SIMDe (apt-get install libsimde-dev) has it.');
  return false;
}

const sets = { x64: ['baseline', 'avx2', 'avx512', 'avx512_bf16'], arm64: ['baseline', 'neon'] }[arch];
if (sets === undefined) throw new Error(`No sanitizer build is described for ${arch}.`);
const flags = Object.fromEntries(sets.map((set) => [set, setFlags[set]]));
const defines = [];
// Threads are the same code in every set: there the sets that this machine can run are enough.
if (arch === 'x64' && which === 'address' && emulatesAvx512()) {
  // The same code as with the compiler's own header, on other functions below.
  const stand = join(root, 'scripts', 'checks', 'emulated-avx512');
  const emulated = ['-mavx2', '-mfma', '-Wno-psabi', '-I', stand];
  flags.avx512 = [...emulated, '-DUNFOLD_AVX512'];
  flags.avx512_bf16 = [...emulated, '-DUNFOLD_AVX512_BF16'];
  defines.push('-DUNFOLD_AVX512_EMULATED');
}

const nodedir = headerRoot();
if (nodedir === undefined) throw new Error("Node's headers are not on this machine.");
const addon = await buildAddon({
  name: `sanitize-${which}`,
  compiler,
  flags: ['-O1', '-g1', ...sanitizers],
  // The slowest to compile come first.
  sets: Object.fromEntries(Object.entries(flags).toReversed()),
  defines,
  headers: join(nodedir, 'include', 'node'),
});

const library = spawnSync(compiler, [`-print-file-name=lib${which === 'thread' ? 'tsan' : 'asan'}.so`], {
  encoding: 'utf8',
});
exit(
  runSuites({
    addon,
    // Node itself is not built for sanitizers: their runtime must be there before Node is, and V8's own memory is not ours to judge.
    variables: {
      LD_PRELOAD: library.stdout.trim(),
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:allocator_may_return_null=1',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
      TSAN_OPTIONS: `halt_on_error=1:allocator_may_return_null=1:suppressions=${join(root, 'scripts', 'checks', 'thread-sanitizer.supp')}`,
    },
  }),
);
