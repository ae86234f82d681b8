import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Program, startProgram, waitFor } from '../support/process.ts';
import { get, post, reaches, type Service, submit, upload } from '../support/service.ts';
import { nonsense, smallSpec } from '../worker/lab.ts';

let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'unfold-engine-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

/** As on a machine where the addon could not be built. */
const up = (env: Record<string, string> = {}): Program =>
  startProgram('apps/cli/dist/main.js', {
    arguments: ['up', '--port', '0', '--data-dir', dataDir, '--workers', '2'],
    env: { UNFOLD_TEST_NATIVE_ADDON: join(dataDir, 'none.node'), ...env },
  });

describe('unfold up without the native kernels', { timeout: 180_000 }, () => {
  it('says so once with the remedy, trains on the reference engine, and fails a job that wants the other', async () => {
    const program = up();
    const url = await waitFor(
      'the service to be up',
      () => /Unfold serves at (\S+)/.exec(program.output())?.[1],
      90_000,
    );
    const service = { url } as Service;
    const file = await upload(service, nonsense(500));
    const small = smallSpec(file, { max_steps: 20 });
    const { id } = await submit(service, small);
    expect(await reaches(service, id, ['succeeded', 'failed'])).toMatchObject({
      status: 'succeeded',
      engine: 'reference',
    });
    expect(
      (await post(service, '/v1/completions', { model: 'small', prompt: 'the ', max_tokens: 5 })).status,
    ).toBe(200);

    const wanting = await submit(service, { ...small, engine: 'native' });
    const { error, engine } = await reaches(service, wanting.id, ['succeeded', 'failed']);
    expect(engine).toBe('native');
    expect(error).toMatchObject({
      code: 'engine_unavailable',
      param: 'engine',
      message: expect.stringContaining('npm rebuild @unfold/kernels'),
    });
    const { data } = await get<{ data: { type: string; status?: string }[] }>(
      service,
      `/v1/jobs/${wanting.id}/events`,
    );
    expect(data.at(-1)).toMatchObject({
      type: 'status',
      status: 'failed',
      error: { code: 'engine_unavailable' },
    });

    expect(await program.stop(45_000)).toBe(0);
    const said = program
      .output()
      .split('\n')
      .filter((line) => line.includes('npm rebuild') && !line.includes(wanting.id));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('the reference engine computes');
  });

  it('does not start when that engine is asked for by name', async () => {
    const program = up({ UNFOLD_ENGINE: 'native' });
    expect(await program.ended).not.toBe(0);
    expect(program.output()).toMatch(/UNFOLD_ENGINE: .*npm rebuild @unfold\/kernels/);
  });
});
