import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../support/process.ts';
import { importsOf } from './sources.ts';

/** The source that an import of ours leads to, doors of other rooms included; null for packages and what is loaded only when needed. */
const sourceOf = (from: string, importer: string): string | null => {
  if (from.startsWith('.')) return join(dirname(importer), from);
  const [, room, door] = /^@unfold\/(\w+)(?:\/(\w+))?$/.exec(from) ?? [];
  return room === undefined ? null : `packages/${room}/src/${door ?? 'index'}.ts`;
};

/** The packages that are loaded with a source, by way of whatever it imports. */
const packagesOf = (start: string): Set<string> => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    expect(existsSync(join(root, path)), path).toBe(true);
    for (const { from, typeOnly, deferred } of importsOf(join(root, path))) {
      if (typeOnly || deferred) continue;
      const source = sourceOf(from, path);
      if (source === null) packages.add(from);
      else visit(source);
    }
  };
  visit(start);
  return packages;
};

it('a thread that trains loads no schemas before it trains: zod takes as long to load as all that it needs', () => {
  expect(packagesOf('packages/rnn/src/index.ts')).toContain('zod');
  expect(packagesOf('apps/worker/src/training-thread.ts')).not.toContain('zod');
});
