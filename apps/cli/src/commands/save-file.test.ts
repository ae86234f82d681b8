import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findPlace, saveFile } from './save-file.ts';

describe('a file that is saved', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unfold-save-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function* content(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('new');
  }
  const save = async (path: string): Promise<void> => saveFile(await findPlace(path, 'm.bin'), content());

  it('replaces a file, and follows links, also to what is not there yet', async () => {
    await writeFile(join(folder, 'old'), 'old');
    await symlink('old', join(folder, 'link'));
    await symlink('none', join(folder, 'dangling'));
    await save(join(folder, 'link'));
    await save(join(folder, 'dangling'));
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true);
    expect((await lstat(join(folder, 'dangling'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(folder, 'old'), 'utf8')).toBe('new');
    expect(await readFile(join(folder, 'none'), 'utf8')).toBe('new');
    expect((await readdir(folder)).sort()).toEqual(['dangling', 'link', 'none', 'old']);
  });

  it.skipIf(process.platform === 'win32')('goes through a pipe, which stays one', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [, read] = await Promise.all([save(pipe), readFile(pipe, 'utf8')]);
    expect(read).toBe('new');
    expect((await lstat(pipe)).isFIFO()).toBe(true);
    expect(await readdir(folder)).toEqual(['pipe']);
  });

  it('gets its own name in a folder, and a folder that is missing is told', async () => {
    await mkdir(join(folder, 'weights'));
    await save(join(folder, 'weights'));
    expect(await readFile(join(folder, 'weights', 'm.bin'), 'utf8')).toBe('new');
    await expect(save(join(folder, 'none', 'x'))).rejects.toThrow(
      `There is no folder ${join(folder, 'none')}.`,
    );
    await expect(save(`${folder}/none/`)).rejects.toThrow(`There is no folder ${folder}/none/.`);
    await expect(save(join(folder, 'weights', 'm.bin', 'x'))).rejects.toThrow('(ENOTDIR).');
  });

  it('is left as it was when the content is damaged, or on an interruption', async () => {
    const path = join(folder, 'old');
    await writeFile(path, 'old');
    const place = await findPlace(path, 'm.bin');
    const check = (): void => {
      throw new Error('damaged');
    };
    await expect(saveFile(place, content(), { check })).rejects.toThrow('damaged');
    const controller = new AbortController();
    async function* interrupted(): AsyncGenerator<Uint8Array> {
      yield* content();
      controller.abort(new Error('interrupted'));
      yield* content();
    }
    await expect(saveFile(place, interrupted(), { signal: controller.signal })).rejects.toThrow(
      'interrupted',
    );
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['old']);
  });
});
