import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { nativeEngines } from '../support/native-engines.ts';

const run = promisify(execFile);
const tiny = ['--hidden', '6', '--layers', '2', '--vocabulary', '11', '--seconds', '0.02'];

/** Everything that a benchmark writes to stdout, which must be one JSON value. */
async function report(script: string, ...words: string[]) {
  const { stdout } = await run(process.execPath, [`test/bench/${script}.mjs`, ...words, '--json'], {
    env: { ...process.env, PYTHON: '/nonexistent', PROTOTYPE: '' },
  });
  return JSON.parse(stdout);
}

test.each(['recurrent', 'output'])(
  'bench:train --json is one object with tokens_per_second: %s',
  async (network) => {
    const words = [...tiny, '--network', network, '--batch', '3', '--steps', '4', '--engine', 'reference'];
    const result = await report('train', ...words);
    expect(result).toMatchObject({ hidden: 6, layers: 2, vocabulary: 11, batch: 3, steps: 4, threads: 1 });
    expect(result.engine).toMatch(/^reference/);
    expect(result.tokens_per_second).toBeGreaterThan(0);
    expect(result.operations_per_second).toBeGreaterThan(0);
    expect(result.peak_memory_bytes).toBeGreaterThan(1e6);
    expect(Number.isFinite(result.loss)).toBe(true);
  },
);

test('bench:generate --json measures one stream and 64', async () => {
  const { tokens_per_second, results } = await report(
    'generate',
    ...tiny,
    '--size',
    'S',
    '--engine',
    'reference',
  );
  expect(results.map(({ streams }: { streams: number }) => streams)).toEqual([1, 64]);
  for (const result of results) {
    expect(result.tokens_per_second).toBeGreaterThan(0);
    expect(result.complete_share_of_loop).toBeGreaterThan(0);
  }
  expect(results[0].beams_of_samples).toBeNull();
  for (const name of ['beams_of_samples', 'scores_by_calls_of_one'])
    expect(results[1][name], name).toBeGreaterThan(0);
  expect(tokens_per_second).toBe(results[0].tokens_per_second);
});

test.skipIf(nativeEngines().length === 0)('bench:compare says which rivals it had to leave out', async () => {
  const words = ['--size', 'S', '--cell', 'elman', '--threads', '1', '--rounds', '1', '--seconds', '0.02'];
  const { results, left_out } = await report('compare', ...words);
  expect(left_out).toHaveLength(2);
  expect(results.map(({ work }: { work: string }) => work)).toEqual(['train', 'generate', 'generate']);
  for (const result of results) {
    expect(result.native_tokens_per_second).toBeGreaterThan(0);
    expect(result.pytorch_tokens_per_second).toBeNull();
  }
});

test.skipIf(nativeEngines().length === 0)(
  'bench:options measures each option beside its plain cell',
  async () => {
    const words = ['--hidden', '6', '--batch', '3', '--steps', '4', '--rounds', '1', '--cell', 'gru,lstm'];
    const { results } = await report('recurrent-options', ...words);
    for (const cell of ['gru', 'lstm'])
      expect(results).toContainEqual(expect.objectContaining({ cell, option: 'layer norm' }));
    for (const { plain_ms, option_ms } of results)
      expect(Math.min(plain_ms, option_ms)).toBeGreaterThanOrEqual(0);
  },
);

test('bench:service measures completions over HTTP, beside an empty route', async () => {
  const words = [
    '--part',
    'completions',
    '--hidden',
    '6',
    '--streams',
    '3',
    '--tokens',
    '5',
    '--seconds',
    '0.3',
  ];
  const { completions } = await report('service', ...words);
  for (const name of ['whole_tokens_per_second', 'streamed_tokens_per_second', 'first_token_ratio'])
    expect(completions[name], name).toBeGreaterThan(0);
  if (nativeEngines().length > 0) expect(completions.whole_share_of_ceiling).toBeGreaterThan(0);
  expect(completions.one_token_requests_per_second).toBeGreaterThan(0);
  expect(completions.empty_route_requests_per_second).toBeGreaterThan(0);
});

test.each([
  ['train', ['--size', 'XL'], 'Expected S, M or L for --size but received "XL".'],
  ['train', ['--threads', '0'], 'Expected a whole number from 1 to 256 for --threads but received "0".'],
  ['generate', ['--seconds', 'long'], 'Expected seconds above 0 for --seconds but received "long".'],
  ['compare', ['--cell', 'lstm,cnn'], 'for --cell but received "lstm,cnn".'],
  ['train', ['--unknown'], "Unknown option '--unknown'"],
])('bench:%s refuses %j and says what it expects', async (script, words, message) => {
  const failure = run(process.execPath, [`test/bench/${script}.mjs`, ...words]);
  await expect(failure).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining(message),
  });
});

test.each(['train', 'generate', 'compare'])('bench:%s --help explains every option', async (script) => {
  const { stdout } = await run(process.execPath, [`test/bench/${script}.mjs`, '--help']);
  for (const name of ['--size', '--cell', '--threads', '--seconds', '--json']) expect(stdout).toContain(name);
});

test('what bench:service has started does not outlive it, even if it is killed', async () => {
  const script = `import { spawn } from 'node:child_process';
    import { guardProcess } from './test/bench/service/server.mjs';
    const service = spawn('sleep', ['600'], { detached: true, stdio: ['ignore', 'ignore', 'inherit'] });
    guardProcess(service.pid);
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // Closes once nobody holds it any more: the benchmark, its guard and what it guarded.
  child.stderr.resume();
  await once(child.stderr, 'close');
  expect(child.signalCode).toBe('SIGKILL');
});

test('bench:gpu measures an engine, and says that there is no PyTorch beside it', async () => {
  const words = ['--engine', 'reference', '--conformance', 'no', '--size', 'S', '--batch', '1'];
  const { results, engine, cuda_gpu } = await report('gpu', ...words, '--rounds', '1', '--seconds', '0.02');
  expect(engine).toMatch(/^reference/);
  expect(cuda_gpu).toBeNull();
  expect(results).toMatchObject([{ size: 'S', batch: 1, cudnn: null, ratio_to_cudnn: null }]);
  expect(results[0].tokens_per_second).toBeGreaterThan(0);
});
