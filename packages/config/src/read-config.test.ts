import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeEnvironment } from './environment.ts';
import { ConfigError, readConfig } from './read-config.ts';

const problemsOf = (env: NodeJS.ProcessEnv) => {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('defaults', () => {
  it('an empty environment serves on loopback, embedded, in .unfold', () => {
    expect(readConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      dataDir: resolve('.unfold'),
      artifactsDir: resolve('.unfold/artifacts'),
      databaseUrl: null,
      redisUrl: null,
      adminKey: null,
      allowedHosts: [],
      allowedOrigins: [],
      logLevel: 'info',
      engine: 'auto',
      device: 'cpu',
      threads: null,
      deviceMemory: null,
      inferenceThreads: null,
    });
  });

  it('every limit is a positive number', () => {
    for (const limit of Object.values(readConfig({}).limits)) expect(limit).toBeGreaterThan(0);
  });

  it('blank variables count as unset', () => {
    expect(readConfig({ PORT: '', REDIS_URL: ' ', UNFOLD_ADMIN_KEY: '', UNFOLD_TYPO: '' })).toEqual(
      readConfig({}),
    );
  });
});

describe('values', () => {
  it('reads numbers, lists and paths', () => {
    const config = readConfig({
      PORT: '0',
      UNFOLD_DATA_DIR: 'data/here',
      UNFOLD_ALLOWED_HOSTS: 'Unfold.Example.org, 10.0.0.5:8080,[::1]:80,',
      UNFOLD_ALLOWED_ORIGINS: 'https://example.org,http://localhost:3000',
      UNFOLD_MAX_UPLOAD_BYTES: '5',
    });
    expect(config.port).toBe(0);
    expect(config.dataDir).toBe(resolve('data/here'));
    expect(config.allowedHosts).toEqual(['unfold.example.org', '10.0.0.5:8080', '[::1]:80']);
    expect(config.allowedOrigins).toEqual(['https://example.org', 'http://localhost:3000']);
    expect(config.limits.uploadBytes).toBe(5);
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '8080.5'],
    ['PORT', '0x10'],
    ['HOST', 'http://localhost'],
    ['LOG_LEVEL', 'verbose'],
    ['DATABASE_URL', 'mysql://localhost/x'],
    ['REDIS_URL', 'localhost:6379'],
    ['UNFOLD_ADMIN_KEY', 'short'],
    ['UNFOLD_ADMIN_KEY', 'has a space and is long enough'],
    ['UNFOLD_ALLOWED_HOSTS', 'https://example.org'],
    ['UNFOLD_ALLOWED_ORIGINS', '*'],
    ['UNFOLD_ALLOWED_ORIGINS', 'https://example.org/'],
    ['UNFOLD_ENGINE', 'cuda'],
    ['UNFOLD_INFERENCE_THREADS', '0'],
    ['UNFOLD_MAX_SOCKETS', '-1'],
    ['UNFOLD_MAX_BODY_BYTES', '99999999999999999999'],
  ])('%s=%s is refused by name', (variable, value) => {
    expect(problemsOf({ [variable]: value }).map((problem) => problem.variable)).toEqual([variable]);
  });
});

describe('problems', () => {
  it('suggest only a name that may have been meant', () => {
    expect(problemsOf({ UNFOLD_BOGUS: '1' })).toEqual([
      { variable: 'UNFOLD_BOGUS', expected: 'no variable of this name', received: 'one' },
    ]);
  });

  it('reports all of them at once, each with what was expected and received', () => {
    const problems = problemsOf({ PORT: 'eighty', LOG_LEVEL: 'loud', UNFOLD_MAX_SOKETS: '5' });
    expect(problems).toEqual([
      {
        variable: 'UNFOLD_MAX_SOKETS',
        expected: 'no variable of this name',
        received: 'one: did you mean UNFOLD_MAX_SOCKETS?',
      },
      { variable: 'PORT', expected: 'an integer from 0 to 65535', received: '"eighty"' },
      {
        variable: 'LOG_LEVEL',
        expected: 'one of fatal, error, warn, info, debug, trace, silent',
        received: '"loud"',
      },
    ]);
    expect(new ConfigError(problems).message).toContain(
      'PORT: expected an integer from 0 to 65535, but received "eighty"',
    );
  });

  it('never repeats a secret', () => {
    const problems = problemsOf({
      DATABASE_URL: 'mysql://user:hunter2@localhost',
      REDIS_URL: 'hunter2',
      UNFOLD_ADMIN_KEY: 'hunter2',
    });
    expect(problems).toHaveLength(3);
    expect(new ConfigError(problems).message).not.toContain('hunter2');
  });

  it('leaves variables of others alone', () => {
    expect(problemsOf({ PATH: '/bin', NODE_ENV: 'production', UNFOLD_TEST_ANYTHING: '1' })).toEqual([]);
  });
});

describe('secrets in files', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'unfold-config-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  it('are read without their last newline', () => {
    const config = readConfig({
      UNFOLD_ADMIN_KEY_FILE: file('key', 'a-key-of-some-length\n'),
      DATABASE_URL_FILE: file('database', 'postgresql://u:p@h/d\n'),
      REDIS_URL_FILE: file('redis', 'rediss://h\n'),
    });
    expect(config.adminKey).toBe('a-key-of-some-length');
    expect(config.databaseUrl).toBe('postgresql://u:p@h/d');
    expect(config.redisUrl).toBe('rediss://h');
  });

  it('must exist, hold something, hold something valid, and be the only source', () => {
    expect(problemsOf({ UNFOLD_ADMIN_KEY_FILE: join(folder, 'none') })).toEqual([
      {
        variable: 'UNFOLD_ADMIN_KEY_FILE',
        expected: 'a readable file',
        received: `${JSON.stringify(join(folder, 'none'))} (ENOENT)`,
      },
    ]);
    expect(problemsOf({ UNFOLD_ADMIN_KEY_FILE: file('empty', '\n') })[0]?.received).toBe('an empty one');
    expect(problemsOf({ UNFOLD_ADMIN_KEY_FILE: file('short', 'hunter2') })[0]?.variable).toBe(
      'UNFOLD_ADMIN_KEY',
    );
    const both = { REDIS_URL: 'redis://h', REDIS_URL_FILE: file('other', 'redis://h') };
    expect(problemsOf(both)[0]?.received).toBe('both');
  });
});

describe('the description', () => {
  it('names every variable once, with a meaning and a default', () => {
    const variables = describeEnvironment();
    expect(new Set(variables.map((variable) => variable.name)).size).toBe(variables.length);
    expect(variables.find((variable) => variable.name === 'PORT')?.standard).toBe('8080');
    for (const variable of variables) expect(variable.description).toMatch(/\.$/);
  });
});
