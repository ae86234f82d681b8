// npm run bench:precision: what bf16 costs in validation loss and gains in speed.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobSpec } from '@unfold/contracts';
import { precisionOf, train } from '@unfold/rnn';
import { describeMachine, format, median, openBackend } from './measure.mjs';
import { sizes } from './model.mjs';
import { engineOptions, jsonOption, kinds, modelOptions, readOptions } from './options.mjs';

const purpose = `Trains one model in fp32 and in bf16, seed after seed, from the same first weights and in the same order, and compares validation
losses and speeds. The goal: L, 2000 steps, seeds 1,2,3 on tiny Shakespeare: losses within 0.5 %, and 1.5 times the speed where the
processor has products in bf16.`;
const options = readOptions('bench:precision', purpose, {
  text: { kind: kinds.word, help: 'path of the text, which must be given' },
  size: modelOptions.size,
  cell: modelOptions.cell,
  steps: { kind: kinds.whole(1_000_000), default: 500, help: 'training steps of each run' },
  seeds: {
    kind: kinds.listOf(['1', '2', '3', '4', '5']),
    default: ['1', '2', '3'],
    help: 'a pair of runs for each',
  },
  engine: engineOptions.engine,
  'instruction-set': engineOptions['instruction-set'],
  threads: { kind: kinds.whole(256), help: 'threads of the native engine' },
  ...jsonOption,
});
if (options.text === undefined) {
  console.error('Expected --text with the path of a text.');
  process.exit(2);
}
const size = sizes[options.size];
const { steps } = options;
const scratch = mkdtempSync(join(tmpdir(), 'unfold-precision-'));

/** One run: its validation loss at the end and its speed. */
async function measure(precision, seed) {
  const spec = jobSpec.parse({
    file: `file-${'0'.repeat(26)}`,
    seed,
    model: { cell: options.cell, hidden_size: size.hidden, num_layers: size.layers },
    training: {
      precision,
      max_steps: steps,
      epochs: 10_000,
      evaluate_every: steps,
      checkpoint_every: 1_000_000,
      log_every: 10,
    },
  });
  const backend = await openBackend({ ...options, precision: precisionOf(spec) });
  const speeds = [];
  let loss = Number.NaN;
  for await (const event of train({ spec, data: options.text, backend, scratch })) {
    if (event.type !== 'metric') continue;
    speeds.push(event.values.tokens_per_second);
    loss = event.values.validation_loss ?? loss;
  }
  const { engine, emulated } = backend.describe();
  backend.close();
  return { precision, seed, engine, emulated, validation_loss: loss, tokens_per_second: median(speeds) };
}

const runs = [];
try {
  for (const seed of options.seeds.map(Number))
    for (const precision of ['fp32', 'bf16']) {
      const run = await measure(precision, seed);
      runs.push(run);
      if (!options.json)
        console.log(
          `seed ${seed}, ${run.engine}: validation loss ${run.validation_loss.toFixed(4)}, ${format.whole(run.tokens_per_second)} tokens/s`,
        );
    }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const of = (precision, field) => runs.filter((run) => run.precision === precision).map((run) => run[field]);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const loss = mean(of('bf16', 'validation_loss')) / mean(of('fp32', 'validation_loss')) - 1;
const speed = median(of('bf16', 'tokens_per_second')) / median(of('fp32', 'tokens_per_second'));
const { emulated } = runs.at(-1);
const result = {
  size: options.size,
  cell: options.cell,
  steps,
  runs,
  loss_difference: loss,
  speed_ratio: speed,
  emulated,
  machine: describeMachine(),
};
if (options.json) console.log(JSON.stringify(result));
else
  console.log(
    `${options.cell} ${options.size}, ${steps} steps, seeds ${options.seeds.join(', ')}: validation loss in bf16 ${(100 * loss).toFixed(2)} % from fp32 ` +
      `(goal: within 0.5 %), at ${speed.toFixed(2)} × its speed${emulated ? ', emulated: this processor has no products in bf16' : ''}`,
  );
