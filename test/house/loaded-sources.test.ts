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

/** The sources of ours and the packages that are loaded with a source, by way of whatever it imports. */
const loadedWith = (start: string): { sources: Set<string>; packages: Set<string> } => {
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
  return { sources: seen, packages };
};

it('a thread that trains loads no schemas before it trains: zod takes as long to load as all that it needs', () => {
  expect(loadedWith('packages/rnn/src/index.ts').packages).toContain('zod');
  expect(loadedWith('apps/worker/src/training-thread.ts').packages).not.toContain('zod');
});

it.each(['api', 'worker'])(
  'the process of the %s leaves what trains and what answers to its threads',
  (app) => {
    const heavy = ['packages/rnn/src/training/train.ts', 'packages/rnn/src/language-model.ts'];
    const { sources } = loadedWith(`apps/${app}/src/main.ts`);
    expect(heavy.filter((path) => sources.has(path))).toEqual([]);
    expect(heavy.filter((path) => !loadedWith('packages/rnn/src/index.ts').sources.has(path))).toEqual([]);
  },
);
