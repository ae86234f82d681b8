// The bundle of bench:gpu: a shell script with an archive behind it, which holds Node, the kernels, their conformance suite and the benchmark.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const platform = 'linux-x64';

/** Where drivers for Vulkan describe themselves beside the loader's usual places. */
const driverFiles = [
  '/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json',
  '/etc/vulkan/icd.d/nvidia_icd.json',
];

const script = `#!/bin/sh
# Measures Unfold's webgpu engine on this machine's GPU: sh FILE [--help]. Needs a Vulkan driver, and python3 with PyTorch for the comparison.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tail -n +__LINES__ "$0" | tar -xJ -C "$folder"
# The Vulkan loader that came along, where the system has none.
ldconfig -p 2> /dev/null | grep -q libvulkan.so.1 || export LD_LIBRARY_PATH="$folder/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
for file in ${driverFiles.join(' ')}; do
  if [ -z "\${VK_DRIVER_FILES:-}" ] && [ -e "$file" ]; then export VK_DRIVER_FILES="$file"; fi
done
"$folder/node" "$folder/test/bench/gpu.mjs" "$@"
exit $?
`;

function run(command, args, cwd) {
  return execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
}

/** Node's program of this version, as npm carries it. */
function takeNode(folder) {
  const wanted = `node-${platform}@${process.versions.node}`;
  const work = mkdtempSync(join(tmpdir(), 'unfold-node-'));
  try {
    const archive = run('npm', ['pack', '--silent', wanted], work).trim();
    run('tar', ['-xzf', archive], work);
    cpSync(join(work, 'package', 'bin', 'node'), join(folder, 'node'));
    chmodSync(join(folder, 'node'), 0o755);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The packages that the kernels and their tests need, of the versions that are installed here. */
function takePackages(folder) {
  const installed = (name) => {
    const { version } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));
    return [name, version];
  };
  const dependencies = Object.fromEntries(['vitest', 'webgpu'].map(installed));
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies }),
  );
  run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--install-links'],
    folder,
  );
  const dawn = join(folder, 'node_modules', 'webgpu', 'dist');
  for (const entry of readdirSync(dawn, { withFileTypes: true }))
    if (entry.isDirectory() && entry.name !== platform) rmSync(join(dawn, entry.name), { recursive: true });
}

function takeProject(folder) {
  const kernels = join(folder, 'packages', 'kernels');
  for (const part of ['package.json', 'dist', 'src'])
    cpSync(join(root, 'packages/kernels', part), join(kernels, part), { recursive: true });
  mkdirSync(join(folder, 'node_modules', '@unfold'), { recursive: true });
  cpSync(join(root, 'test', 'bench'), join(folder, 'test', 'bench'), { recursive: true });
  // A link would not survive every way that archives travel.
  for (const part of ['package.json', 'dist'])
    cpSync(join(kernels, part), join(folder, 'node_modules', '@unfold', 'kernels', part), {
      recursive: true,
    });
  writeFileSync(
    join(folder, 'vitest.config.js'),
    "export default { test: { include: ['packages/*/src/**/*.test.ts'], testTimeout: 120000, hookTimeout: 120000, maxWorkers: 1 } };\n",
  );
}

/** The Vulkan loader of this machine, for one that has none; without it here, that machine must have it. */
function takeLoader(folder) {
  const listed = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? '';
  const path = /libvulkan\.so\.1 .*x86-64.* => (\S+)/.exec(listed)?.[1];
  mkdirSync(join(folder, 'lib'));
  if (path && existsSync(path)) cpSync(path, join(folder, 'lib', 'libvulkan.so.1'), { dereference: true });
  else
    console.error(
      'No Vulkan loader is here (Debian: libvulkan1): the machine that is measured must have one.',
    );
}

/** Writes the bundle to `file`. */
export async function pack(file) {
  const folder = mkdtempSync(join(tmpdir(), 'unfold-bundle-'));
  try {
    for (const take of [takePackages, takeProject, takeNode, takeLoader]) take(folder);
    const lines = script.split('\n').length;
    writeFileSync(file, script.replace('__LINES__', String(lines)));
    const archive = execFileSync('tar', ['-cJ', '-C', folder, '.'], {
      maxBuffer: 2 ** 30,
      env: { ...process.env, XZ_OPT: '-T0 -5' },
    });
    writeFileSync(file, archive, { flag: 'a' });
    chmodSync(file, 0o755);
    console.log(
      `${file}: ${(readFileSync(file).length / 2 ** 20).toFixed(1)} MiB for ${platform}. Run it there with: sh ${file.split('/').at(-1)}`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
