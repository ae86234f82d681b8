// npm run bench:gpu: the webgpu engine on this machine's GPU beside PyTorch's cuDNN, or a bundle that does it on another. See --help.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack } from './gpu/pack.mjs';
import { describeMachine, format, median, openBackend, table, time } from './measure.mjs';
import { modelOf } from './model.mjs';
import { cells, jsonOption, kinds, readOptions } from './options.mjs';
import { startInterpreter } from './pytorch.mjs';
import { createTraining, usualBatch } from './training.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const options = readOptions(
  'bench:gpu',
  `Runs the conformance suite on the GPU, then full training steps in turns: the webgpu engine, and PyTorch's cuDNN with and without TF32.
PYTHON names the interpreter that has PyTorch. With --pack it writes one file that does all this on a machine which has an NVIDIA GPU,
PyTorch and nothing of ours, not even Node: sh FILE [options].`,
  {
    pack: { kind: kinds.word, help: 'write the bundle to this file, and measure nothing' },
    engine: {
      kind: kinds.oneOf('webgpu', 'native', 'reference'),
      default: 'webgpu',
      help: 'what to measure',
    },
    conformance: { kind: kinds.oneOf('yes', 'no', 'only'), default: 'yes', help: 'whether to run the suite' },
    size: { kind: kinds.listOf(['S', 'M', 'L']), default: ['S', 'M', 'L'], help: 'sizes' },
    cell: { kind: kinds.listOf(cells), default: ['lstm'], help: 'cells' },
    batch: { kind: kinds.whole(100_000), help: 'sequences of a batch; default: 64, and for L also 256' },
    recurrence: {
      kind: kinds.listOf(['auto', 'separate', 'step', 'sequence']),
      default: ['auto', 'step', 'sequence'],
      help: 'how layers go through time; auto is what the service takes',
    },
    precision: {
      kind: kinds.listOf(['float32', 'f16']),
      default: ['float32', 'f16'],
      help: 'of products',
    },
    subgroups: {
      kind: kinds.listOf(['yes', 'no']),
      default: ['yes'],
      help: 'whether sums may use subgroups, where the GPU has them',
    },
    matrices: {
      kind: kinds.listOf(['yes', 'no']),
      default: ['yes'],
      help: 'whether products in f16 may use matrix units, where the GPU has them',
    },
    profile: {
      kind: kinds.oneOf('yes', 'no'),
      default: 'yes',
      help: "whether to tell each kernel's share of a step, by the device's clock",
    },
    rounds: { kind: kinds.whole(1000), default: 5, help: 'turns of each' },
    seconds: { kind: kinds.seconds, default: 1, help: 'for how long to time in a turn' },
    ...jsonOption,
  },
);

/** Steps between two waits for the device, on both sides: a step must not be timed with the way to the host and back. */
const stepsAtOnce = 10;

/** How many tests of the suite each file ran and passed on the engine. */
function runConformance() {
  const folder = mkdtempSync(join(tmpdir(), 'unfold-bench-gpu-'));
  const report = join(folder, 'report.json');
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        'packages/kernels/src/conformance',
        ...(options.engine === 'webgpu' ? ['packages/kernels/src/webgpu'] : []),
        '--testNamePattern',
        options.engine,
        '--reporter=json',
        `--outputFile=${report}`,
      ],
      {
        cwd: root,
        stdio: ['ignore', 'ignore', 'inherit'],
        // The machine's GPU, not the software that tests take where there is none.
        env: { ...process.env, UNFOLD_TEST_GPU: 'own' },
      },
    );
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const failures = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status: outcome }) => outcome === 'failed')
      .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]?.split('\n')[0]}`);
    return { passed: numPassedTests, failed: numFailedTests, ended: status, failures };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Seconds per step of each contender, in turns: the engine in every way through time that was asked for, and cuDNN. */
async function compare(ways, interpreter, { model, batch, steps }) {
  const contenders = [];
  for (const way of ways) {
    const backend = await openBackend({ engine: options.engine, ...way });
    const training = createTraining(backend, model, { batch, steps });
    async function round() {
      for (let k = 0; k < stepsAtOnce; k++) training.step();
      await backend.synchronize();
    }
    const run = async (seconds) => (await time(round, seconds, 2)).map((each) => each / stepsAtOnce);
    await run(Math.min(1, options.seconds));
    contenders.push({ way, backend, training, run, times: [] });
  }
  const request = { work: 'train', ...model, batch, steps, threads: 1, device: 'cuda', round: stepsAtOnce };
  const cudnn = async (tf32) => (await interpreter.ask({ ...request, tf32, seconds: options.seconds })).times;
  const times = { cudnn: [], tf32: [] };
  for (let turn = 0; turn < options.rounds; turn++) {
    for (const contender of contenders) contender.times.push(...(await contender.run(options.seconds)));
    if (!interpreter?.gpu) continue;
    times.cudnn.push(...(await cudnn(false)));
    times.tf32.push(...(await cudnn(true)));
  }
  const rate = (all) => (all.length > 0 ? Math.round((batch * steps) / median(all)) : null);
  const [plain, tf32] = [rate(times.cudnn), rate(times.tf32)];
  const results = [];
  for (const { way, backend, training, times: own } of contenders) {
    const tokens_per_second = rate(own);
    results.push({
      ...model,
      batch,
      steps,
      ...way,
      engine: backend.describe().engine,
      tokens_per_second,
      cudnn: plain,
      cudnn_tf32: tf32,
      ratio_to_cudnn: plain && tokens_per_second / plain,
      ratio_to_cudnn_tf32: tf32 && tokens_per_second / tf32,
      loss: await training.loss(),
    });
    backend.close();
  }
  return results;
}

/** Where the time of a step goes, by kernel: null where the device has no clock for it. */
async function profileOf(way, { model, batch, steps }) {
  const backend = await openBackend({ engine: options.engine, ...way, profile: true });
  const training = createTraining(backend, model, { batch, steps });
  training.step();
  await backend.profile();
  training.step();
  const kernels = await backend.profile();
  backend.close();
  if (!kernels) return null;
  const total = kernels.reduce((sum, { seconds }) => sum + seconds, 0);
  return {
    ...way,
    seconds: total,
    kernels: kernels.map((each) => ({ ...each, share: each.seconds / total })),
  };
}

/** Each way of the engine that was asked for; matrix units take part in f16 alone. */
function waysOfGpu() {
  const isYes = (word) => word === 'yes';
  return options.precision.flatMap((precision) =>
    options.subgroups
      .map(isYes)
      .flatMap((subgroups) =>
        (precision === 'f16' ? options.matrices.map(isYes) : [true]).flatMap((matrices) =>
          options.recurrence.map((recurrence) => ({ precision, subgroups, matrices, recurrence })),
        ),
      ),
  );
}

/** The precision, and what it does without. */
function nameOf({ precision, subgroups, matrices }) {
  return [
    precision,
    ...(subgroups === false ? ['no subgroups'] : []),
    ...(matrices === false ? ['no matrices'] : []),
  ].join(', ');
}

async function describeEngine() {
  const backend = await openBackend({ engine: options.engine });
  backend.close();
  return backend.describe();
}

async function measure() {
  const report = {
    benchmark: 'gpu',
    machine: describeMachine(),
    conformance: options.conformance === 'no' ? null : runConformance(),
    results: [],
    profiles: [],
  };
  if (options.conformance === 'only') return report;
  const interpreter = await startInterpreter(process.env.PYTHON ?? 'python3', null, availableParallelism());
  Object.assign(report, {
    pytorch_version: interpreter?.version ?? null,
    cuda_gpu: interpreter?.gpu ?? null,
    cudnn_version: interpreter?.cudnn ?? null,
  });
  const ways = options.engine === 'webgpu' ? waysOfGpu() : [{ precision: 'float32' }];
  const { engine, device } = await describeEngine();
  Object.assign(report, { engine, device });
  for (const cell of options.cell)
    for (const size of options.size)
      for (const batch of options.batch ? [options.batch] : size === 'L' ? [64, 256] : [64]) {
        process.stderr.write(`${cell} ${size}, ${batch} sequences …\n`);
        const model = modelOf({ size, cell, vocabulary: 96 });
        const task = { model, batch, steps: usualBatch.steps };
        const results = await compare(ways, interpreter, task);
        report.results.push(...results.map((result) => ({ size, ...result })));
        if (options.profile === 'yes' && options.engine === 'webgpu')
          for (const way of ways.filter(({ recurrence }) => recurrence === options.recurrence[0]))
            report.profiles.push({ size, cell, batch, ...(await profileOf(way, task)) });
      }
  interpreter?.end();
  return report;
}

/** Kernels that a profile names: the rest is small. */
const shownKernels = 12;
const optional = (show, value) => (value === null ? '–' : show(value));

function print({
  machine,
  device,
  engine,
  cuda_gpu,
  pytorch_version,
  cudnn_version,
  conformance,
  ...report
}) {
  const { results, profiles } = report;
  if (conformance) {
    console.log(
      `Conformance on ${options.engine}: ${conformance.passed} passed, ${conformance.failed} failed.`,
    );
    for (const failure of conformance.failures) console.log(`  ${failure}`);
  }
  if (results.length === 0) return;
  const heading = [
    'model',
    'sequences',
    'products',
    'through time',
    'tokens/s',
    'cuDNN',
    'ratio',
    'cuDNN, TF32',
    'ratio',
  ];
  const rows = results.map((row) => [
    `${row.cell} ${row.size}`,
    `${row.batch}`,
    nameOf(row),
    row.recurrence ?? 'auto',
    format.whole(row.tokens_per_second),
    optional(format.whole, row.cudnn),
    optional(format.ratio, row.ratio_to_cudnn),
    optional(format.whole, row.cudnn_tf32),
    optional(format.ratio, row.ratio_to_cudnn_tf32),
  ]);
  console.log(`${engine} on ${device} (${format.machine(machine)}), medians of full training steps.`);
  console.log(
    cuda_gpu
      ? `PyTorch ${pytorch_version}, cuDNN ${cudnn_version}, on ${cuda_gpu}.`
      : 'Left out: PyTorch with a GPU that CUDA finds; PYTHON names an interpreter that has it.',
  );
  console.log(table([heading, ...rows]));
  for (const { cell, size, batch, seconds, kernels, ...way } of profiles) {
    if (!kernels) {
      console.log('No profile: the device has no clock for kernels (timestamp-query).');
      continue;
    }
    console.log(
      `\n${cell} ${size}, ${batch} sequences, ${nameOf(way)}, ${way.recurrence}: a step of ${(1000 * seconds).toFixed(2)} ms on the device, each kernel by itself.`,
    );
    const most = kernels.slice(0, shownKernels);
    console.log(
      table([
        ['kernel', 'dispatches', 'ms', 'share'],
        ...most.map(({ kernel, dispatches, seconds: own, share }) => [
          kernel,
          `${dispatches}`,
          (1000 * own).toFixed(3),
          format.share(share),
        ]),
      ]),
    );
  }
}

if (options.pack) await pack(options.pack);
else {
  const report = await measure();
  if (options.json) console.log(JSON.stringify(report));
  else print(report);
  if (report.conformance && (report.conformance.failed > 0 || report.conformance.ended !== 0))
    process.exitCode = 1;
}
