import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const room = join(import.meta.dirname, '..');
const examples = Array.from(
  readFileSync(join(room, 'README.md'), 'utf8').matchAll(/```js\n(.*?)```/gs),
  ([, code]) => code!,
);
const run = (example: string): string =>
  execFileSync(process.execPath, ['--input-type=module', '-e', example], { cwd: room, encoding: 'utf8' });

test('the README’s example runs as it stands, and writes what it was trained on', () => {
  expect(run(examples[0]!)).toMatch(/the (mat|log|cat|dog)/);
});

test('the README’s forecast runs as it stands, and beats the one that nothing changes', () => {
  const output = run(examples[1]!);
  const losses = Array.from(output.matchAll(/^\d+ (\S+) naive (\S+)$/gm), ([, loss, naive]) => [
    Number(loss),
    Number(naive),
  ]);
  const naive = losses[0]![1]!;
  expect(Math.min(...losses.map(([loss]) => loss!))).toBeLessThan(naive / 4);
  const day = output.trim().split('\n').at(-1)!.split(' ').map(Number);
  expect(day).toHaveLength(24);
  day.forEach((value, t) => {
    expect(Math.abs(value - 60 - 20 * Math.sin((t / 12) * Math.PI))).toBeLessThan(5);
  });
});
