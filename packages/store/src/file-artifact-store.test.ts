import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArtifactStore } from './artifact-store.ts';
import { createFileArtifactStore } from './file-artifact-store.ts';

let folder: string;
let store: ArtifactStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unfold-artifacts-'));
  store = createFileArtifactStore(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const temporaries = () => readdir(join(folder, '.tmp')).catch(() => []);

const text = async (path: string, range?: { start: number; end: number }): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of await store.stream(path, range)) parts.push(part);
  return Buffer.concat(parts).toString();
};

describe('the artifact store', () => {
  it('describes what it wrote, and reads it back whole, streamed and in part', async () => {
    async function* source() {
      yield Buffer.from('call ');
      yield Buffer.from('me ishmael');
    }
    const written = await store.write('jobs/a/1/x', source());
    expect(written).toEqual({ path: 'jobs/a/1/x', bytes: 15, sha256: sha256('call me ishmael') });
    expect(Buffer.from(await store.read(written.path, written)).toString()).toBe('call me ishmael');
    expect(await text(written.path)).toBe('call me ishmael');
    expect(await text(written.path, { start: 5, end: 6 })).toBe('me');
    await store.verify(written.path, written.sha256);
    expect(await temporaries()).toEqual([]);
  });

  it('replaces a file as a whole', async () => {
    await store.write('x', Buffer.from('a long first text'));
    const second = await store.write('x', Buffer.from('short'));
    expect(Buffer.from(await store.read('x', second)).toString()).toBe('short');
  });

  it('tells a changed file from a missing one', async () => {
    const written = await store.write('x', Buffer.from('whale'));
    await truncate(store.absolute('x'), 4);
    await expect(store.read('x', written)).rejects.toMatchObject({ code: 'artifact_corrupt' });
    await expect(store.verify('x', written.sha256)).rejects.toMatchObject({ code: 'artifact_corrupt' });
    await store.remove('x');
    await store.remove('x');
    await expect(store.read('x', written)).rejects.toMatchObject({ code: 'data_missing' });
    await expect(store.stream('x')).rejects.toMatchObject({ code: 'data_missing' });
  });

  it('leaves nothing of a write whose source fails, and throws the source’s error', async () => {
    const failure = new Error('socket hang up');
    async function* source() {
      yield Buffer.from('half');
      throw failure;
    }
    await expect(store.write('x', source())).rejects.toBe(failure);
    expect(await temporaries()).toEqual([]);
    await expect(store.stream('x')).rejects.toMatchObject({ code: 'data_missing' });
  });

  it.each(['../x', 'a/../../x', '/etc/passwd', '..', '', '.', '.tmp/x', 'a\0b'])(
    'refuses the path %j',
    async (path) => {
      await expect(store.write(path, Buffer.from('x'))).rejects.toMatchObject({ code: 'internal' });
      expect(() => store.absolute(path)).toThrow();
    },
  );

  it('sweeps what dead writers left, not what a live one writes', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    let begun = () => {};
    const writing = new Promise<void>((resolve) => (begun = resolve));
    async function* source() {
      yield Buffer.from('half');
      begun();
      await held;
    }
    const write = store.write('alive', source());
    await writing;
    const host = encodeURIComponent(hostname());
    await writeFile(join(folder, '.tmp', `${host}~${2 ** 22 + 1}~1~dead`), 'x');
    // The same number as ours, but begun at another time: an earlier run of a container's first process.
    await writeFile(join(folder, '.tmp', `${host}~${process.pid}~1~earlier`), 'x');
    await writeFile(join(folder, '.tmp', 'another-host~1~1~unknown'), 'x');
    expect(await store.sweep()).toBe(process.platform === 'linux' ? 2 : 1);
    release();
    expect(await write).toMatchObject({ bytes: 4 });
  });
});
