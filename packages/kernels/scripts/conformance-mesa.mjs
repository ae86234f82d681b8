// Runs the conformance suite of the engine webgpu, and the engine's own tests, on Mesa's lavapipe, a Vulkan driver that computes on the processor and has what
// SwiftShader lacks. It comes from a newer Debian than most machines have, so it gets a root folder of its own, made once and kept:
//   npm run conformance:mesa -w @unfold/kernels [-- [--suite trixie] [--root FOLDER] [vitest's arguments]]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { argv, env, execPath, exit, getuid } from 'node:process';
import { fileURLToPath } from 'node:url';
import { root as room } from './target.mjs';

/** What vitest is asked for, once this command's own options are taken out. */
const tests = argv.slice(2);
function take(option, otherwise) {
  const at = tests.indexOf(option);
  return at < 0 ? otherwise : tests.splice(at, 2)[1];
}
const suite = take('--suite', 'sid');
const mirror = take('--mirror', 'http://deb.debian.org/debian');
const folder = resolve(take('--root', join(room, 'build-checks', `mesa-${suite}`)));
const house = join(room, '..', '..');
const made = join(folder, '.made-by-conformance-mesa');

function refuse(message) {
  console.error(message);
  exit(1);
}

const run = (command, args) => spawnSync(command, args, { stdio: 'inherit' }).status ?? 1;

function makeRoot() {
  if (existsSync(made)) return;
  if (existsSync(folder) && readdirSync(folder).length > 0)
    refuse(`${folder} holds something that this command did not make, or did not finish: remove it first.`);
  mkdirSync(folder, { recursive: true });
  const packages = '--include=mesa-vulkan-drivers,libvulkan1,libstdc++6,libatomic1';
  if (run('debootstrap', ['--variant=minbase', packages, suite, folder, mirror]) !== 0)
    refuse(`Debian ${suite} could not be had from ${mirror}: remove ${folder} before you try again.`);
  writeFileSync(made, '');
}

/** Mounts belong to a namespace of their own, and end with the command. */
const enter = `set -e
mount --bind "$HOUSE" "$ROOT$HOUSE"
mount --bind "$NODE" "$ROOT/usr/local/bin/node"
mount --rbind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
exec chroot "$ROOT" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$HOUSE" "$@"`;

function inRoot(...command) {
  const { VK_DRIVER_FILES: _, ...rest } = env;
  const icds = join(folder, 'usr/share/vulkan/icd.d');
  const driver = readdirSync(icds).find((name) => name.startsWith('lvp_icd'));
  const { status } = spawnSync('unshare', ['--mount', 'sh', '-c', enter, 'sh', ...command], {
    stdio: 'inherit',
    env: {
      ...rest,
      ...{
        ROOT: folder,
        HOUSE: house.replace(/\/$/, ''),
        NODE: execPath,
        PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      },
      ...{ VK_DRIVER_FILES: `/usr/share/vulkan/icd.d/${driver}`, UNFOLD_TEST_GPU: 'own', HOME: '/root' },
    },
  });
  return status ?? 1;
}

const missing = ['debootstrap', 'unshare', 'chroot'].filter((tool) => spawnSync(tool, ['--version']).error);
if (missing.length > 0)
  refuse(`${missing.join(' and ')} must be installed first (Debian: debootstrap, util-linux).`);
if (getuid() !== 0) refuse('Only root can enter a root folder of its own: run this as root.');
makeRoot();
mkdirSync(join(folder, house), { recursive: true });
writeFileSync(join(folder, 'usr/local/bin/node'), '');
if (inRoot('node', fileURLToPath(new URL('checks/describe-gpu.mjs', import.meta.url))) !== 0) exit(1);
const vitest = ['node', join(house, 'node_modules/vitest/vitest.mjs'), 'run', '--testTimeout=600000'];
if (tests.length > 0) exit(inRoot(...vitest, ...tests));
const own = inRoot(...vitest, 'packages/kernels/src/webgpu');
exit(inRoot(...vitest, 'packages/kernels/src/conformance', '--testNamePattern', 'webgpu') || own);
