import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { availableProcessors } from './processors.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'unfold-processors-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `${content}\n`);
  }
}

const all = availableParallelism();
test.each([
  ['no control group', {}, all],
  ['version 2 without a limit', { 'cpu.max': 'max 100000' }, all],
  ['version 2 with half a processor', { 'cpu.max': '50000 100000' }, 1],
  ['version 2 with more than there are', { 'cpu.max': '9900000 100000' }, Math.min(all, 99)],
  ['version 1 without a limit', { 'cpu/cpu.cfs_quota_us': '-1', 'cpu/cpu.cfs_period_us': '100000' }, all],
  ['version 1 with one', { 'cpu/cpu.cfs_quota_us': '100000', 'cpu/cpu.cfs_period_us': '100000' }, 1],
])('counts the processors that a container may use: %s', (_, files, expected) => {
  write(files);
  expect(availableProcessors(folder)).toBe(expected);
});
