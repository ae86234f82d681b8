// npm run bench:train -- --size S|M|L [--cell lstm|gru|elman] [--engine native|reference] [--instruction-set …] [--threads N] [--seconds N] [--json]
import { createBackend, createNative } from '@unfold/kernels';
import {
  createTraining,
  describeMachine,
  measureCeiling,
  median,
  multiplyAdds,
  readOptions,
  sequences,
  sizes,
  steps,
  time,
} from './training-bench.mjs';

const options = readOptions({
  size: 'S',
  cell: 'lstm',
  engine: 'auto',
  threads: undefined,
  'instruction-set': 'auto',
  seconds: '5',
  json: false,
});
const size = sizes[options.size];
if (size === undefined || !['lstm', 'gru', 'elman'].includes(options.cell)) {
  console.error('Expected --size S, M or L and --cell lstm, gru or elman.');
  process.exit(2);
}
const settings = {
  instructionSet: options['instruction-set'],
  ...(options.threads && { threads: Number(options.threads) }),
};
const backend =
  options.engine === 'native' ? createNative(settings) : await createBackend(options.engine, settings);
const training = createTraining(backend, options.cell, size);
const times = await time(training.step, backend, Number(options.seconds));
const operations = 2 * 3 * multiplyAdds(options.cell, size);
const tokens = sequences * steps;
const perSecond = tokens / median(times);
const ceiling = measureCeiling(backend);
const result = {
  size: options.size,
  cell: options.cell,
  engine: backend.describe().engine,
  threads: backend.threads ?? 1,
  tokens_per_second: Math.round(perSecond),
  best_tokens_per_second: Math.round(tokens / Math.min(...times)),
  step_ms: 1000 * median(times),
  steps: times.length,
  operations_per_second: operations * perSecond,
  ceiling_operations_per_second: ceiling === null ? null : 2 * ceiling,
  share_of_ceiling: ceiling === null ? null : (operations * perSecond) / (2 * ceiling),
  peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
  loss: await training.loss(),
  machine: describeMachine(),
};
if (options.json) console.log(JSON.stringify(result));
else {
  const share =
    ceiling === null
      ? ''
      : `, ${(100 * result.share_of_ceiling).toFixed(0)} % of the ceiling of ${(2e-9 * ceiling).toFixed(0)} GFLOP/s`;
  console.log(
    `${options.cell} ${options.size} on ${result.engine}, ${result.threads} threads: ${result.tokens_per_second} tokens/s (median of ${times.length} steps, ` +
      `best ${result.best_tokens_per_second}), ${(result.operations_per_second / 1e9).toFixed(1)} GFLOP/s executed${share}; ` +
      `peak memory ${(result.peak_memory_bytes / 1e6).toFixed(0)} MB; loss ${result.loss.toFixed(3)}`,
  );
}
backend.close();
