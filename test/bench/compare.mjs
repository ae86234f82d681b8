// npm run bench:compare: the native engine, PyTorch and the prototype in turns. See --help.
import { availableParallelism } from 'node:os';
import { createNative } from '@unfold/kernels';
import { createGeneration } from './generation.mjs';
import { describeMachine, format, measureCeiling, measureReading, median, table, time } from './measure.mjs';
import { modelOf, multiplyAdds } from './model.mjs';
import { cells, jsonOption, kinds, readOptions } from './options.mjs';
import { buildPrototype } from './prototype.mjs';
import { startPyTorch } from './pytorch.mjs';
import { createTraining, usualBatch } from './training.mjs';

const { size, cell, work, streams, threads, rounds, seconds, json } = readOptions(
  'bench:compare',
  `Measures the native engine, PyTorch (Debian's python3-torch on libopenblas0-openmp) and the prototype in turns, so that all see the same machine.
PyTorch runs with every core type of OpenBLAS that works here, on all threads and on one; the fastest is the bar. PYTHON names another
interpreter, PROTOTYPE the prototype's source.`,
  {
    size: { kind: kinds.listOf(['S', 'M', 'L']), default: ['S', 'M', 'L'], help: 'sizes' },
    cell: { kind: kinds.listOf(cells), default: ['lstm', 'gru'], help: 'cells' },
    work: {
      kind: kinds.listOf(['train', 'generate']),
      default: ['train', 'generate'],
      help: 'what to measure',
    },
    streams: { kind: kinds.whole(10_000), help: 'streams to generate; default: 1 on one thread, then 64' },
    threads: { kind: kinds.whole(256), default: availableParallelism(), help: 'threads that compute' },
    rounds: { kind: kinds.whole(1000), default: 3, help: 'turns of each' },
    seconds: { kind: kinds.seconds, default: 1, help: 'for how long to time in a turn' },
    ...jsonOption,
  },
);

function createNativeEngine(count) {
  try {
    return createNative({ threads: count });
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}

/** The native engine's part of one comparison: { turn(), close() }; a turn answers seconds per step. */
function createContender(task) {
  const backend = createNativeEngine(task.threads);
  const made =
    task.work === 'train'
      ? createTraining(backend, task.model, { batch: task.batch, steps: task.steps })
      : createGeneration(backend, task.model, task.batch);
  // Rounds of some milliseconds: a clock read at every token would be timed too.
  const perRound = task.work === 'train' ? 1 : Math.ceil(5e6 / (multiplyAdds(task.model) * task.batch));
  async function round() {
    for (let i = 0; i < perRound; i++) await made.step();
  }
  return {
    async turn() {
      await time(round, seconds / 5, 2);
      return (await time(round, seconds)).map((each) => each / perRound);
    },
    ceiling: () => measureCeiling(backend),
    reading: () => (made.weightBytes ? measureReading(backend, made.weightBytes) : null),
    weightBytes: made.weightBytes,
    close: () => backend.close(),
  };
}

/** PyTorch's fastest setting for a task: { interpreter, threads }; null without PyTorch. */
async function tune(interpreters, task) {
  let best = null;
  for (const interpreter of interpreters)
    for (const count of new Set([task.threads, 1])) {
      const { times } = await interpreter.ask({ ...requestOf(task), threads: count, seconds: seconds / 4 });
      if (best === null || median(times) < best.median)
        best = { interpreter, threads: count, median: median(times) };
    }
  return best;
}

const requestOf = ({ work: name, model, batch, steps }) => ({ work: name, ...model, batch, steps });

async function compare(task, interpreters, prototype) {
  const tokens = task.batch * task.steps;
  const contender = createContender(task);
  const bar = await tune(interpreters, task);
  const times = { native: [], pytorch: [] };
  const prototypeRates = [];
  for (let round = 0; round < rounds; round++) {
    times.native.push(...(await contender.turn()));
    if (bar) {
      const request = { ...requestOf(task), threads: bar.threads, seconds };
      times.pytorch.push(...(await bar.interpreter.ask(request)).times);
    }
    const known = task.model.cell === 'lstm' && (task.work === 'train' || task.batch === 1);
    if (prototype.measure && known)
      prototypeRates.push(prototype.measure(task.size, task.threads, task.work === 'generate'));
  }
  const rate = (all) => (all.length > 0 ? tokens / median(all) : null);
  const native = rate(times.native);
  const pytorch = rate(times.pytorch);
  const prototypeRate = prototypeRates.length > 0 ? median(prototypeRates) : null;
  const operations = (task.work === 'train' ? 6 : 2) * multiplyAdds(task.model) * native;
  const reading = contender.reading();
  const row = {
    work: task.work,
    size: task.size,
    ...task.model,
    batch: task.batch,
    steps: task.steps,
    threads: task.threads,
    native_tokens_per_second: Math.round(native),
    native_best_tokens_per_second: Math.round(tokens / Math.min(...times.native)),
    pytorch_tokens_per_second: pytorch && Math.round(pytorch),
    pytorch_best_tokens_per_second: pytorch && Math.round(tokens / Math.min(...times.pytorch)),
    pytorch_setting: bar && `${bar.interpreter.coreType}, threads: ${bar.threads}`,
    ratio_to_pytorch: pytorch && native / pytorch,
    prototype_tokens_per_second: prototypeRate,
    ratio_to_prototype: prototypeRate && native / prototypeRate,
    share_of_ceiling: operations / contender.ceiling(),
    share_of_core_read: reading && (contender.weightBytes * native) / task.batch / reading,
  };
  contender.close();
  return row;
}

const tasks = work.flatMap((name) =>
  cell.flatMap((kind) =>
    size.flatMap((letter) => {
      const model = modelOf({ size: letter, cell: kind, vocabulary: 96 });
      if (name === 'train') return [{ work: name, size: letter, model, threads, ...usualBatch }];
      return (streams ? [streams] : [1, 64]).map((batch) => ({
        work: name,
        size: letter,
        model,
        batch,
        steps: 1,
        threads: batch === 1 ? 1 : threads,
      }));
    }),
  ),
);

createNativeEngine(1).close();
const python = process.env.PYTHON ?? '/usr/bin/python3';
const interpreters = await startPyTorch(python, threads);
const prototype = buildPrototype(process.env.PROTOTYPE);
const report = {
  benchmark: 'compare',
  machine: describeMachine(),
  pytorch_version: interpreters[0]?.version ?? null,
  left_out: [
    ...(interpreters.length > 0
      ? []
      : [
          `PyTorch: ${python} has none; apt-get install python3-torch libopenblas0-openmp, or name an interpreter in PYTHON`,
        ]),
    ...(prototype.missing ? [`the prototype: ${prototype.missing}`] : []),
  ],
  results: [],
};
for (const task of tasks) {
  process.stderr.write(`${task.work} ${task.model.cell} ${task.size}, sequences: ${task.batch} …\n`);
  report.results.push(await compare(task, interpreters, prototype));
}
for (const interpreter of interpreters) interpreter.end();
prototype.end?.();

const optional = (show, value) => (value === null ? '–' : show(value));
if (json) console.log(JSON.stringify(report));
else {
  const heading = [
    'work',
    'model',
    'sequences',
    'threads',
    'native',
    'PyTorch',
    'ratio',
    'setting',
    'prototype',
    'ratio',
    'of the loop',
    'of a core’s reading',
  ];
  const rows = report.results.map((row) => [
    row.work,
    `${row.cell} ${row.size}`,
    `${row.batch}`,
    `${row.threads}`,
    format.whole(row.native_tokens_per_second),
    optional(format.whole, row.pytorch_tokens_per_second),
    optional(format.ratio, row.ratio_to_pytorch),
    row.pytorch_setting ?? '–',
    optional(format.whole, row.prototype_tokens_per_second),
    optional(format.ratio, row.ratio_to_prototype),
    format.share(row.share_of_ceiling),
    format.share(row.share_of_core_read),
  ]);
  console.log(
    `Tokens per second, medians. ${format.machine(report.machine)}; PyTorch ${report.pytorch_version ?? '–'}.`,
  );
  for (const line of report.left_out) console.log(`Left out: ${line}.`);
  console.log(table([heading, ...rows]));
}
