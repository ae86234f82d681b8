import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from '../support/process.ts';

/** A source file of a room and the modules that it names. */
export interface Source {
  path: string;
  imports: { from: string; typeOnly: boolean; deferred: boolean }[];
}

export interface Room {
  /** As other rooms import it, without `@unfold/`. */
  name: string;
  folder: string;
  manifest: { name: string } & {
    [kind in 'dependencies' | 'devDependencies' | 'optionalDependencies']?: Record<string, string>;
  };
  /** Rooms that its tsconfig refers to. */
  references: string[];
  sources: Source[];
}

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');

const statement =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?[^'";]*?\bfrom\s*'([^']+)'|\bimport\s*\(\s*'([^']+)'|(?:^|\n)\s*import\s*'([^']+)'/g;

/** The modules that a file names; `deferred`: loaded by a call, when it is needed. */
export const importsOf = (path: string): Source['imports'] =>
  [...withoutComments(readFileSync(path, 'utf8')).matchAll(statement)].map((match) => ({
    from: (match[2] ?? match[3] ?? match[4]) as string,
    typeOnly: match[1] !== undefined,
    deferred: match[3] !== undefined,
  }));

/** What ships: not tests, not the conformance suite, not what a generator made. */
const isSource = (path: string): boolean =>
  /\.(ts|tsx|mjs)$/.test(path) &&
  !/\.test\.tsx?$/.test(path) &&
  !/(^|\/)(conformance|generated)\//.test(path);

const readRoom = (folder: string): Room => {
  const files = readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' });
  const tsconfig = JSON.parse(readFileSync(join(root, folder, 'tsconfig.json'), 'utf8'));
  return {
    name: folder.split('/')[1] as string,
    folder,
    manifest: JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')),
    references: (tsconfig.references ?? []).map(({ path }: { path: string }) => path.split('/').at(-1)),
    sources: files.filter(isSource).map((file) => {
      const path = join(root, folder, 'src', file);
      return { path: relative(root, path), imports: importsOf(path) };
    }),
  };
};

/** Every room of the house with its sources. */
export const readRooms = (): Room[] =>
  ['packages', 'apps'].flatMap((wing) =>
    readdirSync(join(root, wing), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => readRoom(`${wing}/${entry.name}`)),
  );

/** The package that an import names, or null for a file of the same room (by its path or its `#name`) or a part of Node. */
export const packageOf = (from: string): string | null => {
  if (/^(\.|#|node:)/.test(from)) return null;
  const parts = from.split('/');
  return from.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] as string);
};
