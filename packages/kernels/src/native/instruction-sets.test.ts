import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const built = fileURLToPath(new URL('../../build/Release/obj.target/', import.meta.url));
const sets = existsSync(built)
  ? readdirSync(built).flatMap((name) => /^kernels_(\w+)$/.exec(name)?.[1] ?? [])
  : [];

/** Functions and data of which the linker keeps any one copy, as the compiler names them. */
function shared(set: string): string[] {
  const archive = `${built}kernels_${set}/native/kernels/${set === 'avx512_bf16' ? 'dots' : 'all'}.o`;
  const { stdout } = spawnSync('nm', [archive], { encoding: 'utf8', maxBuffer: 1 << 26 });
  const names = stdout.split('\n').flatMap((line) => / [WVu] (\S+)$/.exec(line)?.[1] ?? []);
  // What finds C++'s own handler of exceptions is a pointer, the same in all.
  return names.filter((name) => name !== 'DW.ref.__gxx_personality_v0');
}

// Else a processor without AVX-512 might be given the AVX-512 copy of a function that all sets use.
test.skipIf(sets.length === 0 || spawnSync('nm', ['--version']).status !== 0)(
  'no instruction set leaves the linker a function that is not its own',
  () => {
    for (const set of sets)
      expect(
        shared(set).filter((name) => !name.includes(`6unfold${set.length}${set}`)),
        set,
      ).toEqual([]);
  },
);
