import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { root } from '../target.mjs';

const entry = fileURLToPath(new URL('vitest-with-workers.mjs', import.meta.url));
const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** What is checked of the native engine wherever it was built: the engines' names say which tests of the conformance suite are its own. */
const engineSuites = ['packages/kernels/src/conformance', 'packages/kernels/src/native', '-t', 'native'];

/**
 * Runs tests (vitest's arguments) against an addon, in worker processes that are started as `node` says (a command and its first arguments) with
 * `variables` in their environment; vitest itself stays on this machine's own Node. Returns vitest's exit status.
 */
export function runSuites({ addon, node = [execPath], variables = {}, tests = engineSuites }) {
  const folder = dirname(addon);
  mkdirSync(folder, { recursive: true });
  const worker = join(folder, 'node');
  const settings = Object.entries(variables).map(([name, value]) => quote(`${name}=${value}`));
  writeFileSync(worker, `#!/bin/sh\nexec env ${settings.join(' ')} ${node.map(quote).join(' ')} "$@"\n`);
  chmodSync(worker, 0o755);
  const { status, error } = spawnSync(
    execPath,
    [entry, 'run', '--testTimeout=600000', '--hookTimeout=600000', ...tests],
    {
      stdio: 'inherit',
      cwd: join(root, '..', '..'),
      env: { ...env, UNFOLD_TEST_WORKER: worker, UNFOLD_TEST_NATIVE_ADDON: addon },
    },
  );
  if (error) throw error;
  return status ?? 1;
}
