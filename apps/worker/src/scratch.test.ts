import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openScratch } from './scratch.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'unfold-scratch-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

it('sweeps what dead processes left and leaves what may still be in use', async () => {
  const root = join(dataDir, 'scratch');
  const deadHere = `${hostname()}@999999999@1`;
  const silentElsewhere = 'gone-container@1@1';
  const livingElsewhere = 'other-host@1@1';
  for (const entry of [deadHere, silentElsewhere, livingElsewhere, 'notes'])
    await mkdir(join(root, entry, 'job'), { recursive: true });
  const twoDaysAgo = new Date(Date.now() - 48 * 3_600_000);
  await utimes(join(root, silentElsewhere), twoDaysAgo, twoDaysAgo);

  const scratch = await openScratch(dataDir);
  expect((await readdir(root)).sort()).toEqual(['notes', livingElsewhere].sort());

  await scratch.open('attempt');
  const neighbour = await openScratch(dataDir);
  expect(await readdir(root)).toHaveLength(3);
  await neighbour.remove();
  await scratch.remove();
});
