import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeEnvironment } from '@unfold/config';
import { describe, expect, it } from 'vitest';
import { root } from '../support/process.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const known = describeEnvironment();

describe('the documentation of the environment', () => {
  const [own, forCompose] = read('.env.example').split('# ---- read by docker-compose.yml alone');
  const entries = (text = ''): string[][] =>
    [...text.matchAll(/^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(
      ([, name, value]) => [name, value] as string[],
    );

  it('.env.example lists exactly the variables that are read, with their defaults', () => {
    expect(entries(own)).toEqual(known.map(({ name, standard }) => [name, standard]));
  });

  it('.env.example sets nothing by itself but asks for the admin key', () => {
    const set = read('.env.example').match(/^[A-Z].*$/gm);
    expect(set).toEqual(['UNFOLD_ADMIN_KEY=']);
  });

  it('what .env.example says of compose alone is read by compose', () => {
    for (const [name] of entries(forCompose)) expect(read('docker-compose.yml')).toContain(`\${${name}`);
  });

  it("the table of packages/config's README lists exactly the same", () => {
    const rows = [...read('packages/config/README.md').matchAll(/^\| `([A-Z0-9_]+)` \| (.*?) \| (.*) \|$/gm)];
    expect(rows.map(([, name, standard, description]) => ({ name, standard, description }))).toEqual(
      known.map(({ name, standard, description }) => ({
        name,
        standard: standard === '' ? '–' : `\`${standard}\``,
        description,
      })),
    );
  });
});
