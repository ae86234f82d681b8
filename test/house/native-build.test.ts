import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const run = promisify(execFile);
/** What was built at installation shows that this machine has all that a build needs. */
const canBuild = existsSync('packages/kernels/build/fingerprint');

/** Takes the place of a compiler, so that a build takes seconds: it makes the file that it is asked for, or fails. */
const compiler = `#!/bin/sh
if [ "$1" = --version ]; then exit 0; fi
if [ -e "$(dirname "$0")/broken" ]; then exit 1; fi
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then echo made > "$2"; fi
  case "$1" in -MF) : > "$2";; esac
  shift
done
`;

let folder: string;
const inFolder = (...path: string[]) => join(folder, ...path);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unfold-native-build-'));
  for (const part of ['binding.gyp', 'native', 'package.json', 'scripts'])
    await cp(join('packages/kernels', part), inFolder('kernels', part), { recursive: true });
  await symlink(resolve('node_modules'), inFolder('node_modules'));
  await writeFile(inFolder('compiler'), compiler);
  await chmod(inFolder('compiler'), 0o755);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const build = (...words: string[]) =>
  run(process.execPath, [inFolder('kernels/scripts/build-native.mjs'), ...words], {
    env: { ...process.env, CXX: inFolder('compiler'), npm_lifecycle_event: '' },
  });
const isMade = () => readFile(inFolder('kernels/build/Release/unfold_kernels.node'), 'utf8');

describe.skipIf(!canBuild)('building the native kernels', { timeout: 120_000 }, () => {
  test('of processes that begin at once one builds, and all find what it built', async () => {
    const results = await Promise.all([build(), build('--if-possible'), build()]);
    expect(await isMade()).toBe('made\n');
    expect(results.filter(({ stdout }) => stdout.includes('built in'))).toHaveLength(1);
    for (const { stderr } of results) expect(stderr).toBe('');
  });

  test('the lock of a process that was killed holds nobody up', async () => {
    const lock = inFolder('kernels/build.lock');
    await mkdir(lock);
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(lock, longAgo, longAgo);
    await build();
    expect(await isMade()).toBe('made\n');
  });

  test('a compiler that failed is not tried again on the same sources where it is only asked if possible', async () => {
    await writeFile(inFolder('broken'), '');
    await expect(build()).rejects.toMatchObject({ code: 1 });
    await rm(inFolder('broken'));
    expect((await build('--if-possible')).stderr).toMatch(/the compiler failed, see .*build\.log/);
    await build();
    expect(await isMade()).toBe('made\n');
  });
});
