// npm run bench:options: what each option of a recurrent layer costs beside the plain cell. See --help.
import { createNative, randomPurposes } from '@unfold/kernels';
import { describeMachine, format, median, table } from './measure.mjs';
import { createNumbers, sizes } from './model.mjs';
import { cells, jsonOption, kinds, readOptions } from './options.mjs';
import { usualBatch } from './training.mjs';

const options = readOptions(
  'bench:options',
  'Times forward and backward of one layer with dense input, the plain cell and the option in turns; one thread: processor time.',
  {
    size: { kind: kinds.oneOf('S', 'M', 'L'), default: 'M', help: 'S: 128 units, M: 256, L: 512' },
    hidden: { kind: kinds.whole(65_536), help: "units, in place of the size's" },
    cell: { kind: kinds.listOf(cells), default: cells, help: 'the cells' },
    batch: { kind: kinds.whole(100_000), default: usualBatch.batch, help: 'sequences of a batch' },
    steps: { kind: kinds.whole(1_000_000), default: usualBatch.steps, help: 'time steps' },
    threads: { kind: kinds.whole(256), default: 1, help: 'threads that compute' },
    rounds: { kind: kinds.whole(10_000), default: 15, help: 'turns of each' },
    ...jsonOption,
  },
);
const { batch: N, steps: T, threads, rounds } = options;
const H = options.hidden ?? sizes[options.size].hidden;

const hiddenZoneout = { zoneout: { hidden: 0.1, cell: 0 } };
const layerNorm = ['layer norm', { norm: 'layer' }];
const batchNorm = ['batch norm', { norm: 'batch', normSteps: T }];
/** By cell: name, the layer's options, what the call has besides. */
const variants = {
  elman: [
    ['softsign', { activation: 'softsign' }],
    ['zoneout', hiddenZoneout],
    layerNorm,
    batchNorm,
    ['without recurrence', { recurrent: false }],
  ],
  gru: [
    ['recurrent dropout', { recurrentDropout: 0.2 }],
    ['zoneout', hiddenZoneout],
    ['reset before', { reset: 'before' }],
    layerNorm,
    batchNorm,
  ],
  lstm: [
    ['softsign candidate', { candidateActivation: 'softsign' }],
    ['peepholes', { peephole: true }],
    ['recurrent dropout', { recurrentDropout: 0.2 }],
    ['zoneout', { zoneout: { hidden: 0.1, cell: 0.1 } }],
    layerNorm,
    batchNorm,
  ],
};
const everyCell = [
  ['dropout after it', {}, { dropout: { rate: 0.2 } }],
  ['the same, variational', {}, { dropout: { rate: 0.2, variational: true } }],
  ['injected sums', {}, { injects: true }],
];

/** Parameters, their gradients and running statistics of a layer. */
function createLayer(backend, layer, next) {
  const bound = 1 / Math.sqrt(H);
  function parameter(use, of, center = 0) {
    const made = backend.createParameter({ use, layer, ...(of && { of }) });
    const size = made.shape.reduce((a, b) => a * b, 1);
    backend.upload(
      made,
      Float32Array.from({ length: size }, () => center + next() * bound),
    );
    return made;
  }
  const recurrent = layer.recurrent !== false;
  const normalized = layer.norm !== undefined;
  const parameters = {
    weightIh: parameter('weight_ih'),
    weightHh: recurrent ? parameter('weight_hh') : null,
    biasIh: parameter('recurrent_bias'),
    biasHh: recurrent ? parameter('recurrent_bias') : null,
    ...(layer.peephole && { peephole: parameter('peephole') }),
    ...(normalized && {
      gainIh: parameter('recurrent_gain', undefined, 1),
      gainHh: parameter('recurrent_gain', undefined, 1),
    }),
    ...(normalized &&
      layer.cell === 'lstm' && {
        gainCell: parameter('cell_norm', undefined, 1),
        biasCell: parameter('cell_norm'),
      }),
  };
  const gradients = Object.fromEntries(
    Object.entries(parameters).map(([name, each]) => [name, each && backend.like(each)]),
  );
  const statistics =
    layer.norm === 'batch'
      ? {
          mean: parameter('norm_statistics', 'moments'),
          variance: parameter('norm_statistics', 'moments', 1),
          batches: backend.createParameter({ use: 'norm_statistics', layer, of: 'batches' }),
        }
      : null;
  return { parameters, gradients, statistics };
}

/** Forward and backward of one layer. */
function createPass(backend, cell, layerOptions = {}, { injects = false, dropout = null } = {}) {
  const layer = { cell, inputSize: H, hiddenSize: H, input: 'dense', ...layerOptions };
  const next = createNumbers();
  const { parameters, gradients, statistics } = createLayer(backend, layer, next);
  function tensor(...shape) {
    const made = backend.createTensor(shape);
    backend.upload(made, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next));
    return made;
  }
  const blocks = { elman: 1, gru: 3, lstm: 4 }[cell];
  const [input, output, dropped, dOutput, dInput] = Array.from({ length: 5 }, () => tensor(T, N, H));
  const [injected, dInjected] = injects ? [tensor(T, N, blocks * H), tensor(T, N, blocks * H)] : [null, null];
  const saved = backend.createSaved(layer, T, N);
  const training = { seed: 1, step: 1, layer: 0, sequences: null };
  const noStates = { h0: null, c0: null, hT: null, cT: null };
  const noGradients = { dhT: null, dcT: null, dh0: null, dc0: null };
  return () => {
    const forward = { layer, parameters, input, injected, training, statistics, output, saved };
    backend.recurrentForward({ ...forward, ...noStates });
    for (const rows of dropout ? [output, dOutput] : [])
      backend.dropout({
        ...dropout,
        ...training,
        purpose: randomPurposes.dropout,
        input: rows,
        output: dropped,
      });
    const backward = { layer, parameters, gradients, saved, dOutput, dInput, dInjected };
    backend.recurrentBackward({ ...backward, ...noGradients });
  };
}

function milliseconds(run) {
  const start = process.cpuUsage();
  const wall = performance.now();
  run();
  const { user, system } = process.cpuUsage(start);
  return threads === 1 ? (user + system) / 1000 : performance.now() - wall;
}

const results = [];
const backend = createNative({ threads });
for (const cell of options.cell) {
  const plain = createPass(backend, cell);
  for (const [option, ...own] of [...variants[cell], ...everyCell]) {
    const run = createPass(backend, cell, ...own);
    const times = { plain: [], option: [] };
    plain();
    run();
    for (let round = 0; round < rounds; round++) {
      times.plain.push(milliseconds(plain));
      times.option.push(milliseconds(run));
    }
    results.push({
      cell,
      option,
      plain_ms: median(times.plain),
      option_ms: median(times.option),
      ratio: median(times.option) / median(times.plain),
      best_ratio: Math.min(...times.option) / Math.min(...times.plain),
    });
  }
}
const { engine } = backend.describe();
backend.close();
const machine = describeMachine();
if (options.json)
  console.log(
    JSON.stringify({
      benchmark: 'options',
      engine,
      hidden: H,
      batch: N,
      steps: T,
      threads,
      rounds,
      results,
      machine,
    }),
  );
else {
  console.log(`${engine}, H ${H}, N ${N}, T ${T}, ${threads} thread(s), ${format.machine(machine)}`);
  const rows = results.map(({ cell, option, plain_ms, option_ms, ratio, best_ratio }) => [
    ...[cell, option, plain_ms.toFixed(1), option_ms.toFixed(1)],
    ...[format.ratio(ratio), format.ratio(best_ratio)],
  ]);
  console.log(table([['cell', 'option', 'plain ms', 'ms', 'medians', 'best runs'], ...rows]));
}
