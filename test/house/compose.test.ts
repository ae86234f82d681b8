import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientVariables, describeEnvironment, readConfig } from '@unfold/config';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { root, waitFor } from '../support/process.ts';
import { readRooms } from './sources.ts';

const apps = ['api', 'worker'];
const images = [...apps, 'worker-gpu'];
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

describe.each(images)('the image of the %s', (name) => {
  const app = name.replace('-gpu', '');
  const dockerfile = read(`docker/${name}.Dockerfile`);
  const [build = '', image = ''] = dockerfile.split(/^(?=FROM )/m).slice(1);

  it('runs a file that the build makes, in exec form, so that SIGTERM reaches it', () => {
    const command = JSON.parse(image.match(/^CMD (\[.*\])$/m)?.[1] ?? 'null');
    expect(command).toEqual(['node', `apps/${app}/dist/main.js`]);
    expect(existsSync(join(root, command[1]))).toBe(true);
  });

  it('installs from the lockfile with the manifest of every room', () => {
    for (const { folder } of readRooms()) expect(build).toContain(`COPY ${folder}/package.json ${folder}/`);
    expect(build).toContain('npm ci');
  });

  it('compiles the native kernels where there is a compiler, and carries them on without one', () => {
    expect(build).toMatch(/^FROM node:[\d.]+-bookworm AS build$/m);
    expect(build).toContain('npm run pack-native -w @unfold/kernels');
    // That Debian or a newer one: the C library of an older one would not do.
    expect(image).toMatch(/^FROM node:[\d.]+-(bookworm|trixie)-slim$/m);
    expect(image).toContain('COPY --from=build /app/packages packages');
  });

  it('is pinned, runs as somebody else than root, and is asked for its health', () => {
    for (const stage of [build, image]) expect(stage).toMatch(/^FROM node:20\.\d+\.\d+-/);
    expect(image).toContain('\nUSER node\n');
    expect(image).toContain('\nHEALTHCHECK ');
  });

  it('copies nothing that does not exist', () => {
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, paths]) =>
      (paths as string).split(' '),
    );
    expect(sources.length).toBeGreaterThan(10);
    for (const source of sources) expect(existsSync(join(root, source)), source).toBe(true);
  });
});

interface Service {
  environment: Record<string, string>;
  ports?: string[];
  container_name?: string;
  user?: string;
  healthcheck?: object;
  volumes: string[];
}

describe('docker-compose.yml', () => {
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>;
  };

  it('publishes the API on loopback and nothing else, and can be scaled', () => {
    const ports = Object.entries(services).flatMap(([name, service]) =>
      (service.ports ?? []).map((port) => [name, port]),
    );
    // biome-ignore lint/suspicious/noTemplateCurlyInString: compose fills this in, not we.
    expect(ports).toEqual([['api', '${HOST:-127.0.0.1}:${PORT:-8080}:8080']]);
    expect(services.worker?.container_name).toBeUndefined();
    expect(services.worker?.volumes).toEqual(services.api?.volumes);
  });

  it('gives no container more rights than it needs', () => {
    const hardened = { cap_drop: ['ALL'], read_only: true, security_opt: ['no-new-privileges:true'] };
    expect(Object.keys(services).sort()).toEqual([
      'api',
      'postgres',
      'redis',
      'worker',
      'worker-mesa',
      'worker-nvidia',
    ]);
    for (const service of Object.values(services)) expect(service).toMatchObject(hardened);
    expect(services).toMatchObject({ postgres: { user: 'postgres' }, redis: { user: 'redis' } });
  });

  it('starts workers with a GPU only when asked, each with its device and as workers are otherwise', () => {
    for (const profile of ['nvidia', 'mesa'])
      expect(services[`worker-${profile}`]).toMatchObject({
        profiles: [profile],
        environment: { ...services.worker!.environment, UNFOLD_DEVICE: 'gpu' },
        volumes: services.worker!.volumes,
        networks: ['inside'],
      });
    expect(services).toMatchObject({
      'worker-nvidia': {
        deploy: {
          resources: {
            reservations: { devices: [{ driver: 'nvidia', capabilities: ['gpu', 'graphics'] }] },
          },
        },
      },
      'worker-mesa': { devices: ['/dev/dri:/dev/dri'] },
    });
  });

  it('asks every container for its health: ours in their images, the others here', () => {
    expect(services.postgres?.healthcheck).toBeDefined();
    expect(services.redis?.healthcheck).toBeDefined();
  });
});

const compose = (args: string[], env: Record<string, string>) =>
  spawnSync('docker-compose', args, {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
const installed = spawnSync('docker-compose', ['--version']).status === 0;

describe.skipIf(!installed)(`docker-compose${installed ? '' : ' (left out: it is not installed)'}`, () => {
  const key = 'a-key-for-this-test-only';

  it('accepts the file', () => {
    expect(compose(['config', '-q'], { UNFOLD_ADMIN_KEY: key })).toMatchObject({ status: 0, stderr: '' });
  });

  it('demands an admin key and says how to get one', () => {
    const { status, stderr } = compose(['config', '-q'], {});
    expect(status).not.toBe(0);
    expect(stderr).toContain('openssl rand -hex 32');
  });

  it.each([...apps, 'worker-nvidia', 'worker-mesa'])(
    'gives the %s an environment that it accepts, with every variable passed on',
    (app) => {
      const { stdout } = compose(['--profile', 'nvidia', '--profile', 'mesa', 'config'], {
        UNFOLD_ADMIN_KEY: key,
      });
      const { environment } = parse(stdout).services[app] as Service;
      const config = readConfig(environment);
      expect(config).toMatchObject({ adminKey: key, dataDir: '/data' });
      expect(config.databaseUrl).toContain('@postgres:5432/');
      expect(config.redisUrl).toContain('//redis:6379/');
      const passed = describeEnvironment()
        .map(({ name }) => name)
        .filter((name) => name.startsWith('UNFOLD_') && !name.endsWith('_FILE'))
        .filter((name) => !clientVariables.some((client) => client === name));
      expect(Object.keys(environment)).toEqual(expect.arrayContaining(passed));
    },
  );
});

// It reads /proc, as every image has it.
describe.skipIf(process.platform !== 'linux')("the worker's health check", () => {
  const check = (program: string, env: Record<string, string> = {}) =>
    spawnSync(process.execPath, ['docker/worker-health.mjs', program], { cwd: root, encoding: 'utf8', env });

  it('passes while the process runs and its servers answer, and says what is wrong otherwise', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'unfold-health-'));
    const program = join(folder, 'main.mjs');
    await writeFile(program, 'process.stdin.resume();');
    expect(check(program)).toMatchObject({ status: 1, stderr: 'no worker runs\n' });
    const child = spawn('node', [program], { stdio: ['pipe', 'ignore', 'inherit'] });
    try {
      await waitFor('a healthy process', () => check(program).status === 0);
      expect(check(program, { REDIS_URL: 'redis://127.0.0.1:1' })).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('REDIS_URL does not answer'),
      });
      child.kill('SIGSTOP');
      await waitFor('a stopped process', () => check(program).status === 1);
      expect(check(program).stderr).toContain('its state is T');
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
      await rm(folder, { recursive: true, force: true });
    }
  });
});
