import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const script = new URL('../../apps/cli/scripts/installed-packages.mjs', import.meta.url);

const isInstalled = (folder: string): boolean => {
  const program = `console.log((await import(${JSON.stringify(script)})).isInstalled(${JSON.stringify(folder)}))`;
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(ended.stderr).toBe('');
  return ended.stdout === 'true\n';
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unfold-packages-'));
});
afterEach(() => rm(folder, { recursive: true }));

const one = { version: '1.0.0', integrity: 'sha512-one' };
const other = { version: '2.0.0', integrity: 'sha512-other', optional: true };
const wanted = { '': { name: 'root' }, 'node_modules/one': one, 'node_modules/other': other };

const lay = async (found: object | null, folders = ['node_modules/one', 'node_modules/other']) => {
  for (const each of folders) await mkdir(join(folder, each), { recursive: true });
  await writeFile(join(folder, 'package-lock.json'), JSON.stringify({ packages: wanted }));
  const path = join(folder, 'node_modules/.package-lock.json');
  if (found !== null) await writeFile(path, JSON.stringify({ packages: found }));
};

it('recognises what npm ci has installed here', () => expect(isInstalled(root)).toBe(true));

it.each<[string, boolean, object | null, string[]?]>([
  ['all that is asked for', true, { 'node_modules/one': one, 'node_modules/other': other }],
  ['without what is of other platforms', true, { 'node_modules/one': one }],
  [
    'without what could not be downloaded',
    true,
    { 'node_modules/one': one, 'node_modules/other': other },
    ['node_modules/one'],
  ],
  ['nothing that npm has finished', false, null],
  ['another version', false, { 'node_modules/one': { ...one, version: '1.0.1' } }],
  ['another content', false, { 'node_modules/one': { ...one, integrity: 'sha512-two' } }],
  ['a package too few', false, { 'node_modules/other': other }],
  ['a package too many', false, { 'node_modules/one': one, 'node_modules/third': one }],
  ['a folder too few', false, { 'node_modules/one': one }, ['node_modules/other']],
])('tells whether packages are installed: %s', async (_, expected, found, folders) => {
  await lay(found, folders);
  expect(isInstalled(folder)).toBe(expected);
});

it('is not told by a lockfile alone', async () => {
  await cp(join(root, 'package-lock.json'), join(folder, 'package-lock.json'));
  expect(isInstalled(folder)).toBe(false);
});
