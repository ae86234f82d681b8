// npm run bench:train: tokens per second of full training steps. See --help.
import {
  describeMachine,
  format,
  measureCeiling,
  median,
  openBackend,
  peakMemoryBytes,
  time,
} from './measure.mjs';
import { modelOf, multiplyAdds } from './model.mjs';
import { engineOptions, jsonOption, kinds, modelOptions, readOptions } from './options.mjs';
import { createOutputRecurrence } from './output-recurrence.mjs';
import { createTraining, usualBatch } from './training.mjs';

const options = readOptions(
  'bench:train',
  'Times full training steps: forward, loss, backward, clipping, Adam.',
  {
    ...modelOptions,
    network: {
      kind: kinds.oneOf('recurrent', 'output'),
      default: 'recurrent',
      help: 'output: an Elman network of teacher-forced output recurrence, all time steps at once',
    },
    batch: { kind: kinds.whole(100_000), default: usualBatch.batch, help: 'sequences of a batch' },
    steps: { kind: kinds.whole(1_000_000), default: usualBatch.steps, help: 'time steps of a training step' },
    ...engineOptions,
    threads: { kind: kinds.whole(256), help: 'threads that compute; default: all processors' },
    seconds: { kind: kinds.seconds, default: 5, help: 'for how long to time' },
    ...jsonOption,
  },
);
const forced = options.network === 'output';
// Output recurrence has no other cell.
const model = { ...modelOf(options), ...(forced && { cell: 'elman' }) };
const backend = await openBackend(options);
const training = (forced ? createOutputRecurrence : createTraining)(backend, model, options);
const tokens = options.batch * options.steps;
async function step() {
  training.step();
  await backend.synchronize();
}
// What is new is made, memory is touched, threads wake up: none of it counts.
await time(step, Math.min(1, options.seconds / 5), 3);
const times = await time(step, options.seconds);
const perSecond = tokens / median(times);
// Forwards, for the gradient of the weights, and for that of what is below.
const operations = training.operationsPerToken ?? 6 * multiplyAdds(model);
const ceiling = measureCeiling(backend);
const result = {
  benchmark: 'train',
  network: options.network,
  size: options.size,
  ...model,
  batch: options.batch,
  steps: options.steps,
  engine: backend.describe().engine,
  threads: backend.threads ?? 1,
  tokens_per_second: Math.round(perSecond),
  best_tokens_per_second: Math.round(tokens / Math.min(...times)),
  step_ms: 1000 * median(times),
  timed_steps: times.length,
  operations_per_second: operations * perSecond,
  ceiling_operations_per_second: ceiling,
  share_of_ceiling: ceiling === null ? null : (operations * perSecond) / ceiling,
  peak_memory_bytes: peakMemoryBytes(),
  loss: await training.loss(),
  machine: describeMachine(),
};
if (options.json) console.log(JSON.stringify(result));
else {
  const name = forced
    ? `output recurrence ${model.layers} × ${model.hidden}`
    : `${model.cell} ${model.layers} × ${model.hidden}`;
  console.log(
    [
      `${name}, V ${model.vocabulary}, N ${options.batch}, T ${options.steps} on ${result.engine}, threads: ${result.threads} (${format.machine(result.machine)})`,
      `${format.whole(result.tokens_per_second)} tokens/s (median of ${times.length} steps of ${result.step_ms.toFixed(2)} ms; best ${format.whole(result.best_tokens_per_second)})`,
      `${format.giga(result.operations_per_second)} GFLOP/s executed${ceiling === null ? '' : `, ${format.share(result.share_of_ceiling)} of the ${format.giga(ceiling)} of a multiply-add loop`}`,
      `peak memory ${format.whole(result.peak_memory_bytes / 1e6)} MB, loss ${result.loss.toFixed(3)}`,
    ].join('\n'),
  );
}
backend.close();
