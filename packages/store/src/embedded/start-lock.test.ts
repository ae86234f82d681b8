import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLockFile } from './start-lock.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unfold-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the lock file', () => {
  it.each([true, false])(
    'lets one in at a time (beside a dead holder: %s), and is gone afterwards',
    async (dead) => {
      const path = join(folder, 'lock');
      if (dead) await writeFile(path, JSON.stringify({ pid: 2 ** 22 + 1, started: null, token: 'dead' }));
      let inside = 0;
      let most = 0;
      await Promise.all(
        Array.from({ length: 8 }, () =>
          withLockFile(path, 30_000, async () => {
            most = Math.max(most, (inside += 1));
            await readdir(folder);
            inside -= 1;
          }),
        ),
      );
      expect(most).toBe(1);
      expect(await readdir(folder)).toEqual([]);
    },
  );

  it('is given back when the work fails, and names its holder to those who waited in vain', async () => {
    const path = join(folder, 'lock');
    const failure = new Error('no');
    await expect(withLockFile(path, 1000, () => Promise.reject(failure))).rejects.toBe(failure);
    await withLockFile(path, 1000, () =>
      expect(withLockFile(path, 50, async () => undefined)).rejects.toThrow(`pid ${process.pid}`),
    );
  });
});
