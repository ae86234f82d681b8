import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

// A page's styles stay when another page is shown, so a name that two mean differently changes with the way by which a reader came.
it('each class is styled in one file alone', () => {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  const files = new Map<string, Set<string>>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.css'),
  ))
    for (const [, name] of readFileSync(`${folder}/${file}`, 'utf8').matchAll(/^\.([\w-]+)/gm))
      files.set(name!, new Set([...(files.get(name!) ?? []), file]));
  const shared = [...files].filter(([, { size }]) => size > 1);
  expect(files.size).toBeGreaterThan(50);
  expect(shared.map(([name, where]) => `${name}: ${[...where].join(', ')}`)).toEqual([]);
});
