import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Program, startProgram, waitFor } from '../support/process.ts';

let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'unfold-quickstart-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

const quickstart = (...more: string[]): Program =>
  startProgram('apps/cli/dist/main.js', {
    arguments: ['quickstart', '--data-dir', dataDir, '--port', '0', '--steps', '4', ...more],
  });

const expectWhole = (output: string): void => {
  expect(output).toMatch(/step 4 of 4 · loss \d\.\d{3} · validation \d\.\d{3}/);
  expect(output).toMatch(/Call me [\s\S]{400,}Try it yourself/);
  expect(output).toMatch(/http:\/\/127\.0\.0\.1:\d+\/docs/);
};

describe('unfold quickstart without a terminal', { timeout: 180_000 }, () => {
  it('trains on a real book, writes, stops everything and ends with 0', async () => {
    const program = quickstart('--exit');
    expect(await program.ended, program.output()).toBe(0);
    expectWhole(program.output());
    const url = /service is at (\S+),/.exec(program.output())![1]!;
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  it('an interrupted one cancels its job and stops everything', async () => {
    const program = quickstart('--steps', '1000000');
    await waitFor('training to be under way', () => /step \d+ of/.test(program.output()), 90_000);
    program.kill('SIGINT');
    expect(await program.ended, program.output()).toBe(0);
  });

  it('uses the service that runs already, and leaves it running', async () => {
    const service = startProgram('apps/cli/dist/main.js', {
      arguments: ['up', '--data-dir', dataDir, '--port', '0'],
    });
    const url = await waitFor(
      'the service to be up',
      () => /Unfold serves at (\S+)/.exec(service.output())?.[1],
      90_000,
    );
    const { data } = (await (await fetch(`${url}/v1/jobs`)).json()) as { data: { status: string }[] };
    expect(data.map(({ status }) => status)).toEqual(['cancelled', 'succeeded']);
    const program = quickstart('--json');
    expect(await program.ended, program.output()).toBe(0);
    expect(program.output()).toContain(`Using the service that runs at ${url}`);
    const lines = program
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { type?: string; object?: string; choices?: { text: string }[] });
    expect(lines.filter(({ type }) => type === 'metric')).not.toHaveLength(0);
    expect(lines.at(-1)).toMatchObject({ object: 'text_completion' });
    expect(lines.at(-1)?.choices?.[0]?.text).toMatch(/[\s\S]{400,}/);
    expect((await fetch(`${url}/ready`)).ok).toBe(true);
    expect(await service.stop(45_000)).toBe(0);
  });
});
