import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

/** Everything that a command writes to stdout, which must be one JSON value. */
async function report(script: string, ...words: string[]) {
  const { stdout } = await run(process.execPath, [`test/learn/${script}.mjs`, ...words, '--json']);
  return JSON.parse(stdout);
}

test('npm run learn says what each network reached, in how many steps, and what was expected', async () => {
  const { rows } = await report(
    'learn',
    '--tasks',
    'grammar,arrows',
    '--network',
    'elman, o',
    '--seeds',
    '2',
    '--steps',
    '20',
  );
  expect(rows.map(({ network }: { network: string }) => network)).toEqual(Array(3).fill('Elman, output'));
  for (const { runs, budget, expected } of rows) {
    expect(budget).toBe(20);
    expect(typeof expected).toBe('boolean');
    expect(runs).toEqual([{ seed: 2, best: expect.any(Number), solvedAt: null }]);
    // A guess among four or seven is right more rarely, and nothing is solved so soon.
    expect(runs[0].best).toBeGreaterThan(0.05);
    expect(runs[0].best).toBeLessThan(0.99);
  }
});

test('npm run learn:names reads names and says how many of its own are taken for their language', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'unfold-languages-'));
  const names = (first: string, second: string) =>
    Array.from({ length: 80 }, (_, k) =>
      Array.from({ length: 3 + (k % 4) }, (_, t) => ((k >> t) & 1 ? first : second)).join(''),
    );
  await writeFile(join(folder, 'Left.txt'), names('ba', 'bo').join('\n'));
  await writeFile(join(folder, 'Right.txt'), names('ke', 'ki').join('\n'));
  const result = await report('names', '--folder', folder, '--generated', '5');
  await rm(folder, { recursive: true });
  expect(result.rows.map(({ language }: { language: string }) => language)).toEqual(['Left', 'Right']);
  expect(result.chance).toBe(0.5);
  // Two languages that have no letter in common are told apart.
  expect(result.unseen).toBe(1);
  expect(result.generated).toBeGreaterThan(0.5);
});

test.each([
  ['learn', ['--tasks', 'chess'], 'for --tasks but received "chess".'],
  ['names', [], 'Expected --folder'],
])('%s refuses %j, saying what was expected', async (script, words, said) => {
  const failed = run(process.execPath, [`test/learn/${script}.mjs`, ...words]);
  await expect(failed).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
});
