import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('the README’s example runs as it stands, and writes what it was trained on', () => {
  const room = join(import.meta.dirname, '..');
  const [, example] = /```js\n(.*?)```/s.exec(readFileSync(join(room, 'README.md'), 'utf8'))!;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', example!], {
    cwd: room,
    encoding: 'utf8',
  });
  expect(output).toMatch(/the (mat|log|cat|dog)/);
});
