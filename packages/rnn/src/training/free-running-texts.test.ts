import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { createRig, openData } from '../../test-support/network-rig.ts';
import { type RecordTask, recordTasks, specOfTask } from '../../test-support/record-tasks.ts';
import { metricsOf, record, textFile } from '../../test-support/runs.ts';
import { upload } from '../model/network.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { FreeRunningTexts } from './free-running-texts.ts';

const never = async (): Promise<boolean> => false;
const writing = recordTasks.filter(
  ([, { task = 'language_model' }]) => task === 'language_model' || task === 'conditional_generation',
);

const runningOf = async (task: RecordTask) => {
  const spec = specOfTask(task);
  const data = await openData(spec, task.data());
  const rig = createRig(spec, data, createReference({ precision: 'float64' }));
  const { tokenizer } = data.encoding.input as { tokenizer: Tokenizer };
  return { rig, running: FreeRunningTexts.over(rig.network, rig.feed, tokenizer, 1) };
};

describe('the free-running loss of texts that end', () => {
  test.each(writing)('is told at an evaluation, the same in every run: %s', async (_, task) => {
    const training = { ...task.training, validation_fraction: 0.5, max_steps: 2, evaluate_every: 1 };
    const spec = specOfTask({ ...task, training });
    const data = task.data();
    const told = async () =>
      metricsOf(await record({ spec, data })).map(({ values }) => [
        values.free_running_loss,
        values.free_running_gap,
      ]);
    const first = await told();
    expect(first.flat().every(Number.isFinite)).toBe(true);
    expect(await told()).toEqual(first);
  });

  test.each(writing)('is the forced one where the past does not matter, else not: %s', async (_, task) => {
    const { rig, running } = await runningOf(task);
    const usual = (await running!.run(never))!;
    expect(usual.free).not.toBeCloseTo(usual.forced, 6);
    for (const [k, { name, shape }] of rig.network.table.entries())
      if (name === 'decoder.weight')
        upload(rig.backend, rig.network.parameters.all[k]!, new Float64Array(shape[0]! * shape[1]!));
    const blind = (await running!.run(never))!;
    expect(blind.free).toBeCloseTo(blind.forced, 12);
    running!.release();
  });

  test('is none where nothing is left beyond the warm-up', async () => {
    const countdown = { length: 'countdown', max_length: 3 };
    const data = () => textFile('a\nb\nc\n');
    const { running } = await runningOf({ text: { sequences: 'lines' }, model: countdown, data });
    expect(running).toBeNull();
  });

  test('stops when it is told to', async () => {
    const { running } = await runningOf(writing[0]![1]);
    expect(await running!.run(async () => true)).toBeNull();
    running!.release();
  });
});
