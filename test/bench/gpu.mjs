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

/** Seconds per step of each contender, in turns. */
async function compare(backend, interpreter, { model, batch, steps }) {
  const training = createTraining(backend, model, { batch, steps });
  async function round() {
    for (let k = 0; k < stepsAtOnce; k++) training.step();
    await backend.synchronize();
  }
  const own = async (seconds, least) => (await time(round, seconds, least)).map((each) => each / stepsAtOnce);
  const request = { work: 'train', ...model, batch, steps, threads: 1, device: 'cuda', round: stepsAtOnce };
  const cudnn = async (tf32) => (await interpreter.ask({ ...request, tf32, seconds: options.seconds })).times;
  await own(Math.min(1, options.seconds), 2);
  const times = { own: [], cudnn: [], tf32: [] };
  for (let turn = 0; turn < options.rounds; turn++) {
    times.own.push(...(await own(options.seconds, 2)));
    if (!interpreter?.gpu) continue;
    times.cudnn.push(...(await cudnn(false)));
    times.tf32.push(...(await cudnn(true)));
  }
  const rate = (all) => (all.length > 0 ? Math.round((batch * steps) / median(all)) : null);
  const result = {
    tokens_per_second: rate(times.own),
    cudnn: rate(times.cudnn),
    cudnn_tf32: rate(times.tf32),
  };
  const ratio = (other) => other && result.tokens_per_second / other;
  return {
    ...model,
    batch,
    steps,
    ...result,
    ratio_to_cudnn: ratio(result.cudnn),
    ratio_to_cudnn_tf32: ratio(result.cudnn_tf32),
    loss: await training.loss(),
  };
}

async function measure() {
  const report = {
    benchmark: 'gpu',
    machine: describeMachine(),
    conformance: options.conformance === 'no' ? null : runConformance(),
    results: [],
  };
  if (options.conformance === 'only') return report;
  const interpreter = await startInterpreter(process.env.PYTHON ?? 'python3', null, availableParallelism());
  Object.assign(report, {
    pytorch_version: interpreter?.version ?? null,
    cuda_gpu: interpreter?.gpu ?? null,
    cudnn_version: interpreter?.cudnn ?? null,
  });
  for (const cell of options.cell)
    for (const size of options.size)
      for (const batch of options.batch ? [options.batch] : size === 'L' ? [64, 256] : [64]) {
        process.stderr.write(`${cell} ${size}, ${batch} sequences …\n`);
        // One at a time, so that a large one does not stand in the next one's way.
        const backend = await openBackend({ engine: options.engine });
        report.engine = backend.describe().engine;
        report.device = backend.describe().device;
        const model = modelOf({ size, cell, vocabulary: 96 });
        const task = { model, batch, steps: usualBatch.steps };
        report.results.push({ size, ...(await compare(backend, interpreter, task)) });
        backend.close();
      }
  interpreter?.end();
  return report;
}

const optional = (show, value) => (value === null ? '–' : show(value));

function print({ machine, device, engine, cuda_gpu, pytorch_version, cudnn_version, conformance, results }) {
  if (conformance) {
    console.log(
      `Conformance on ${options.engine}: ${conformance.passed} passed, ${conformance.failed} failed.`,
    );
    for (const failure of conformance.failures) console.log(`  ${failure}`);
  }
  if (results.length === 0) return;
  const heading = ['model', 'sequences', 'tokens/s', 'cuDNN', 'ratio', 'cuDNN, TF32', 'ratio'];
  const rows = results.map((row) => [
    `${row.cell} ${row.size}`,
    `${row.batch}`,
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
}

if (options.pack) await pack(options.pack);
else {
  const report = await measure();
  if (options.json) console.log(JSON.stringify(report));
  else print(report);
  if (report.conformance && (report.conformance.failed > 0 || report.conformance.ended !== 0))
    process.exitCode = 1;
}
