// npm run bench:compare -- [--size S|M|L|all] [--cell lstm|gru|elman|all] [--threads N] [--rounds N] [--seconds N] [--json]
//
// Native engine and PyTorch (Debian's python3-torch on libopenblas0-openmp) in turns, so that both see the same machine; medians of all
// rounds and best steps. PyTorch runs with each core type that OpenBLAS has for this processor, and with as many threads and with one; its
// best counts. PYTHON names another interpreter.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeMachine, median, readOptions, sequences, sizes, steps } from './training-bench.mjs';

const options = readOptions({
  size: 'all',
  cell: 'lstm',
  threads: '2',
  rounds: '3',
  seconds: '3',
  json: false,
});
const python = process.env.PYTHON ?? '/usr/bin/python3';
const script = (name) => fileURLToPath(new URL(name, import.meta.url));
const tokens = sequences * steps;

function run(command, words, env = {}) {
  const { status, stdout } = spawnSync(command, words, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? JSON.parse(stdout.trim().split('\n').at(-1)) : null;
}

function native(size, cell, threads) {
  const words = ['train.mjs', '--size', size, '--cell', cell, '--engine', 'native', '--threads', threads];
  const result = run(process.execPath, [
    script(words[0]),
    ...words.slice(1),
    '--seconds',
    options.seconds,
    '--json',
  ]);
  return result && { median: result.tokens_per_second, best: result.best_tokens_per_second };
}

function torch(size, cell, threads, core) {
  const { layers, hidden } = sizes[size];
  const words = [script('train_torch.py'), cell, layers, hidden, threads, options.seconds].map(String);
  // A core type whose instructions this processor lacks ends the program: then there is no result.
  const result = run(python, words, { OPENBLAS_CORETYPE: core, OMP_NUM_THREADS: String(threads) });
  return (
    result && {
      median: Math.round(tokens / median(result.times)),
      best: Math.round(tokens / Math.min(...result.times)),
      version: result.version,
    }
  );
}

const cores = ['Zen', 'Haswell', 'SkylakeX'];
if (!existsSync(python) || torch('S', 'lstm', 1, '') === null) {
  console.error(
    `PyTorch is not there: apt-get install python3-torch libopenblas0-openmp, or name an interpreter in PYTHON (${python}).`,
  );
  process.exit(1);
}
const report = [];
for (const size of options.size === 'all' ? Object.keys(sizes) : [options.size])
  for (const cell of options.cell === 'all' ? ['lstm', 'gru', 'elman'] : [options.cell]) {
    const ours = { median: [], best: 0 };
    const theirs = new Map();
    for (let round = 0; round < Number(options.rounds); round++) {
      const mine = native(size, cell, options.threads);
      if (mine) {
        ours.median.push(mine.median);
        ours.best = Math.max(ours.best, mine.best);
      }
      for (const core of cores)
        for (const threads of new Set([Number(options.threads), 1])) {
          const result = torch(size, cell, threads, core);
          if (result === null) continue;
          const name = `${core}, ${threads} thread${threads === 1 ? '' : 's'}`;
          const known = theirs.get(name) ?? { median: [], best: 0 };
          known.median.push(result.median);
          known.best = Math.max(known.best, result.best);
          theirs.set(name, known);
        }
    }
    const [setting, bar] = [...theirs].toSorted((a, b) => median(b[1].median) - median(a[1].median))[0];
    const bestBar = Math.max(...[...theirs.values()].map(({ best }) => best));
    const row = {
      size,
      cell,
      threads: Number(options.threads),
      native_tokens_per_second: median(ours.median),
      pytorch_tokens_per_second: median(bar.median),
      pytorch_setting: setting,
      ratio: median(ours.median) / median(bar.median),
      native_best_tokens_per_second: ours.best,
      pytorch_best_tokens_per_second: bestBar,
      ratio_of_bests: ours.best / bestBar,
      machine: describeMachine(),
    };
    report.push(row);
    if (!options.json)
      console.log(
        `${cell} ${size}, ${row.threads} threads: native ${row.native_tokens_per_second} tokens/s, PyTorch 1.13 ${row.pytorch_tokens_per_second} (${setting}): ` +
          `${row.ratio.toFixed(2)} × (best steps ${row.native_best_tokens_per_second} and ${row.pytorch_best_tokens_per_second}: ${row.ratio_of_bests.toFixed(2)} ×)`,
      );
  }
if (options.json) console.log(JSON.stringify(report));
