import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../support/process.ts';

const { bin } = JSON.parse(readFileSync(join(root, 'apps/cli/package.json'), 'utf8')) as {
  bin: Record<string, string>;
};

describe('the commands that npm links', () => {
  it('are files of the clone that can be run: what a build makes is not there yet when npm links', () => {
    for (const [name, file] of Object.entries(bin)) {
      const path = join('apps/cli', file);
      const { stdout } = spawnSync('git', ['ls-files', '--stage', path], { cwd: root, encoding: 'utf8' });
      expect(stdout, `${name} names ${path}`).toMatch(/^100755 /);
    }
  });

  it('are found by npx', () => {
    const { status, stdout } = spawnSync('npx', ['--no-install', 'unfold', '--help'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(stdout).toContain('unfold quickstart');
    expect(status).toBe(0);
  });
});
