// What each option of a recurrent layer costs beside the plain cell: forward and backward through one layer with dense input, the plain cell
// and the option in turns, medians.
import { parseArgs } from 'node:util';
import { createNative } from '@unfold/kernels';
import { createNumbers } from './model.mjs';

const help = `npm run bench:options -- [--hidden 256] [--batch 64] [--steps 64] [--threads 1] [--rounds 15] [--json]`;
const { values } = parseArgs({
  options: {
    hidden: { type: 'string', default: '256' },
    batch: { type: 'string', default: '64' },
    steps: { type: 'string', default: '64' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const [H, N, T, threads, rounds] = ['hidden', 'batch', 'steps', 'threads', 'rounds'].map((name) =>
  Number(values[name]),
);

const zoneout = { hidden: 0.1, cell: 0.1 };
const batchNorm = { norm: 'batch', normSteps: T };
const options = {
  elman: [
    { activation: 'softsign' },
    { zoneout: { hidden: 0.1, cell: 0 } },
    { norm: 'layer' },
    batchNorm,
    { recurrent: false },
  ],
  gru: [
    { recurrentDropout: 0.2 },
    { zoneout: { hidden: 0.1, cell: 0 } },
    { reset: 'before' },
    { norm: 'layer' },
    batchNorm,
  ],
  lstm: [
    { candidateActivation: 'softsign' },
    { peephole: true },
    { recurrentDropout: 0.2 },
    { zoneout },
    { norm: 'layer' },
    batchNorm,
  ],
};

/** { run() } of one layer; `injects`: with something injected, and its gradient. */
function createPass(backend, layer, injects = false) {
  const next = createNumbers();
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
  const lstm = layer.cell === 'lstm';
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
      lstm && { gainCell: parameter('cell_norm', undefined, 1), biasCell: parameter('cell_norm') }),
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
  function tensor(...shape) {
    const made = backend.createTensor(shape);
    backend.upload(made, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next));
    return made;
  }
  const blocks = { elman: 1, gru: 3, lstm: 4 }[layer.cell];
  const [input, output, dOutput, dInput] = Array.from({ length: 4 }, () => tensor(T, N, H));
  const [injected, dInjected] = injects ? [tensor(T, N, blocks * H), tensor(T, N, blocks * H)] : [null, null];
  const saved = backend.createSaved(layer, T, N);
  const training = { seed: 1, step: 1, layer: 0, sequences: null };
  const none = { h0: null, c0: null, hT: null, cT: null };
  const nothing = { dhT: null, dcT: null, dh0: null, dc0: null };
  return () => {
    backend.recurrentForward({
      layer,
      parameters,
      input,
      injected,
      training,
      statistics,
      output,
      saved,
      ...none,
    });
    backend.recurrentBackward({
      layer,
      parameters,
      gradients,
      saved,
      dOutput,
      dInput,
      dInjected,
      ...nothing,
    });
  };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
function milliseconds(run) {
  const start = process.cpuUsage();
  const wall = performance.now();
  run();
  const { user, system } = process.cpuUsage(start);
  return threads === 1 ? (user + system) / 1000 : performance.now() - wall;
}

const rows = [];
for (const [cell, list] of Object.entries(options)) {
  const backend = createNative({ threads });
  const base = { cell, inputSize: H, hiddenSize: H, input: 'dense' };
  const plain = createPass(backend, base);
  for (const option of [...list, 'injected']) {
    const run =
      option === 'injected' ? createPass(backend, base, true) : createPass(backend, { ...base, ...option });
    plain();
    run();
    const [before, own] = [[], []];
    for (let round = 0; round < rounds; round++) {
      before.push(milliseconds(plain));
      own.push(milliseconds(run));
    }
    const name = option === 'injected' ? option : JSON.stringify(option).replace(/["{}]/g, '');
    const ratio = median(own) / median(before);
    const best = Math.min(...own) / Math.min(...before);
    rows.push({
      cell,
      option: name,
      plain_ms: median(before),
      option_ms: median(own),
      ratio,
      best_ratio: best,
    });
  }
  backend.close();
}
if (values.json) console.log(JSON.stringify({ hidden: H, batch: N, steps: T, threads, rounds, rows }));
else {
  console.log(
    `H ${H}, N ${N}, T ${T}, ${threads} thread(s): forward and backward of one layer, processor time at one thread`,
  );
  for (const { cell, option, plain_ms, option_ms, ratio, best_ratio } of rows)
    console.log(
      `${cell.padEnd(6)}${option.padEnd(36)}${plain_ms.toFixed(1).padStart(8)} ms ${option_ms.toFixed(1).padStart(8)} ms  × ${ratio.toFixed(2)} (best runs × ${best_ratio.toFixed(2)})`,
    );
}
