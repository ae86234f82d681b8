// Trains one network on one task until it has solved it or its steps are used up.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeSpec, exportWeights, LanguageModel, Predictor, train } from '@unfold/rnn';
import { createRandom, repeat } from './random.mjs';

const trained = 10_000;
const heldOut = 500;
/** Held-out records that a judge asks about. */
const judged = 100;
const evaluateEvery = 100;

const recordsOf = (task, seed, count) => {
  const random = createRandom(seed);
  return repeat(count, () => task.record(random));
};
const linesOf = (records) =>
  `${records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record))).join('\n')}\n`;

const specOf = (task, network, seed, steps) => {
  const { training, ...rest } = task.spec;
  const optimizer = { ...training.optimizer, ...(network.rate && { learning_rate: network.rate }) };
  return completeSpec({
    ...rest,
    seed,
    model: network.model,
    training: {
      ...training,
      optimizer,
      epochs: 10_000,
      max_steps: steps,
      evaluate_every: evaluateEvery,
      checkpoint_every: evaluateEvery,
      log_every: evaluateEvery,
    },
  });
};

/**
 * What a network reached: `best` of the task's measure, and `solvedAt`, the training step at which it was first good enough; null: it never was.
 * @param steps most training steps; default the task's budget
 */
export async function solve({ task, network, seed, backend, steps = task.steps }) {
  const scratch = mkdtempSync(join(tmpdir(), 'unfold-learn-'));
  const data = join(scratch, 'data');
  const validation = join(scratch, 'validation');
  const validationRecords = recordsOf(task, 0x10000 + seed, heldOut);
  writeFileSync(data, linesOf(recordsOf(task, seed, trained)));
  writeFileSync(validation, linesOf(validationRecords));
  const spec = specOf(task, network, seed, steps);
  let best = null;
  let solvedAt = null;
  const take = (step, value) => {
    best = best === null ? value : task.better(best, value);
    if (solvedAt === null && task.solved(value)) solvedAt = step;
  };
  try {
    const control = () => (solvedAt === null ? 'continue' : 'stop');
    for await (const event of train({ spec, data, validation, backend, scratch, control })) {
      if (event.type === 'metric' && task.metric in event.values) take(event.step, event.values[task.metric]);
      if (event.type === 'checkpoint' && task.judge && solvedAt === null) {
        const Model = spec.task === 'language_model' ? LanguageModel : Predictor;
        const model = await Model.load(exportWeights(event.data), backend);
        take(event.step, await task.judge(model, validationRecords.slice(0, judged)));
        model.close();
      }
    }
    return { best, solvedAt };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
