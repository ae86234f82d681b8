// The one-file prototype as a rival: a program that prints tokens per second, for LSTMs of the three sizes, written for AVX-512 alone.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeInstructionSets } from '@unfold/kernels';

const flags = ['-O3', '-march=native', '-mprefer-vector-width=512', '-fopenmp', '-std=c++20'];

/** Compiles the prototype: { measure(size, threads, generate), end() }, or { missing } that says why there is none. */
export function buildPrototype(source) {
  if (!source) return { missing: 'PROTOTYPE names no source file' };
  if (!existsSync(source)) return { missing: `there is no file ${source}` };
  if (!nativeInstructionSets().includes('avx512')) return { missing: 'this processor has no AVX-512' };
  const folder = mkdtempSync(join(tmpdir(), 'unfold-prototype-'));
  const program = join(folder, 'prototype');
  const end = () => rmSync(folder, { recursive: true, force: true });
  try {
    execFileSync(process.env.CXX ?? 'g++', [...flags, '-o', program, source], { stdio: 'pipe' });
  } catch (error) {
    end();
    return { missing: `it does not compile: ${error.message.split('\n')[0]}` };
  }
  return {
    /** Tokens per second: the program's own median. */
    measure(size, threads, generate) {
      const words = [size, `${threads}`, ...(generate ? ['gen'] : [])];
      const output = execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      return Number(/(\d+) tok\/s/.exec(output)[1]);
    },
    end,
  };
}
