import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../support/process.ts';
import { readRooms } from './sources.ts';

describe('apps/api/METRICS.md', () => {
  const page = readFileSync(join(root, 'apps/api/METRICS.md'), 'utf8');
  const made = readRooms()
    .flatMap(({ sources }) => sources)
    .flatMap(({ path }) => [...readFileSync(join(root, path), 'utf8').matchAll(/\bname: '(unfold_\w+)'/g)])
    .map(([, name]) => name as string);

  it('says of every metric what it is for', () => {
    expect(made.length).toBeGreaterThan(20);
    expect(made.filter((name) => !new RegExp(String.raw`\b${name}\b`).test(page))).toEqual([]);
  });

  it('names none that does not exist', () => {
    const named = [...page.matchAll(/\bunfold_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''));
    expect(named.filter((name) => name !== 'unfold_' && !made.includes(name))).toEqual([]);
  });
});
