import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startProgram } from '../support/process.ts';

const addon = process.env.UNFOLD_TEST_NATIVE_ADDON ?? 'packages/kernels/build/Release/unfold_kernels.node';

// A folder that is built anew, or removed, under a running worker.
test.skipIf(!existsSync(addon))(
  'a thread has the native engine that its process began with, though its file is gone',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'unfold-addon-'));
    const copy = join(folder, 'unfold_kernels.node');
    await copyFile(addon, copy);
    const program = startProgram('test/worker/remove-addon.mjs', { env: { UNFOLD_TEST_NATIVE_ADDON: copy } });
    expect(await program.ended, program.output()).toBe(0);
    expect(program.output()).toContain('The thread computes with native.');
    expect(existsSync(copy)).toBe(false);
    await rm(folder, { recursive: true });
  },
);
