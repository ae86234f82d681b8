import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, startProgram, waitFor } from '../support/process.ts';
import { openFixture, type StoreFixture } from './fixture.ts';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture.remove());

const program = 'test/store/programs/write-artifact.mjs';
const temporaries = () => readdir(join(fixture.artifactsDir, '.tmp'));

describe('a write that cannot be finished', () => {
  it('for want of room is storage_full and leaves nothing', async () => {
    const { database, artifactsDir } = fixture;
    // The shell's limit on the size of a file stands for a full disk: the same failure in the middle of a write.
    const limited = spawn(
      'sh',
      [
        '-c',
        'ulimit -f 256; exec "$@"',
        'sh',
        process.execPath,
        program,
        database.databaseUrl,
        artifactsDir,
        '4096',
      ],
      { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let output = '';
    limited.stdout.on('data', (chunk) => (output += chunk));
    await once(limited, 'close');
    expect(JSON.parse(output.split('\n')[1] ?? '')).toEqual({ code: 'storage_full' });
    expect(await temporaries()).toEqual([]);
    expect(await readdir(artifactsDir)).toEqual(['.tmp']);
  });

  it('because its process is killed is swept by the next', async () => {
    const { database, artifactsDir, another } = fixture;
    const killed = startProgram(program, { arguments: [database.databaseUrl, artifactsDir, '-1'] });
    await waitFor('a temporary file', async () => (await temporaries()).length > 0);
    killed.kill('SIGKILL');
    await killed.ended;
    await another();
    expect(await temporaries()).toEqual([]);
    await expect(fixture.store.artifacts.stream('jobs/a/b/c')).rejects.toMatchObject({
      code: 'data_missing',
    });
  });
});
