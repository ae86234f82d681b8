import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { fragile, hopeless } from '../../test-support/diverging.ts';
import { finalOf } from '../../test-support/resumes.ts';
import {
  checkpointsOf,
  curveOf,
  logsOf,
  type Recorded,
  record,
  scratchFolder,
  sentence,
  tensorsOf,
  textFile,
  withdrawRestarted,
} from '../../test-support/runs.ts';
import { LanguageModel } from '../language-model.ts';
import { exportWeights } from '../weights/export.ts';
import type { TrainingEvent } from './events.ts';
import { train } from './train.ts';

const data = textFile(sentence.repeat(3));

const restartsOf = ({ events }: Recorded) => events.filter((event) => event.type === 'restart');
const finalCurve = ({ events, outcome }: Recorded) => curveOf({ events: withdrawRestarted(events), outcome });

describe('a run that diverges and recovers', () => {
  test('goes back to its last good checkpoint and on at half the rate', async () => {
    const run = await record({ spec: fragile(12), data });
    expect(run.outcome).toEqual({ type: 'completed', step: 20 });
    expect(restartsOf(run)).toEqual([{ type: 'restart', from_step: 5, reason: 'rolled_back' }]);
    expect(logsOf(run).join()).toMatch(/diverged at step 9: .*from step 5 at half the learning rate/);
    const curve = finalCurve(run) as { step: number; values: Record<string, number> }[];
    expect(curve.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, k) => k + 1));
    expect(curve.map(({ values }) => values.learning_rate)).toEqual([
      ...Array(5).fill(12),
      ...Array(15).fill(6),
    ]);
  });

  test('goes back to its start when it had no checkpoint yet', async () => {
    const run = await record({ spec: fragile(32), data });
    expect(restartsOf(run)).toEqual([{ type: 'restart', from_step: 0, reason: 'rolled_back' }]);
    expect(run.outcome.step).toBe(20);
  });

  test('ends with the same bits and curve from whichever checkpoint it was killed after', async () => {
    const spec = fragile(12);
    const whole = await record({ spec, data });
    for (const [index, { data: resume, step }] of checkpointsOf(whole).entries()) {
      const rest = await record({ spec, data, resume });
      expect(tensorsOf(finalOf(rest))).toEqual(tensorsOf(finalOf(whole)));
      const rolledBackAfter = index === 0;
      expect(restartsOf(rest).length).toBe(rolledBackAfter ? 1 : 0);
      const later = (finalCurve(whole) as { step: number }[]).filter((point) => point.step > step);
      expect(finalCurve(rest)).toEqual(later);
    }
  });

  test.each([
    ['checkpoint_every', { checkpoint_every: 5 }],
    ['evaluations alone', { checkpoint_every: null, evaluate_every: 5 }],
  ])('ends with the same bits and curve when it is stopped after every step: %s', async (_, training) => {
    const spec = fragile(12, training);
    const whole = await record({ spec, data });
    expect(restartsOf(whole).length).toBe(1);
    const stop = (events: TrainingEvent[]) =>
      events.some(({ type }) => type === 'metric') ? ('stop' as const) : ('continue' as const);
    let part = await record({ spec, data, control: stop });
    const events = [...part.events];
    while (part.outcome.type === 'stopped') {
      const scratch = scratchFolder();
      part = await record({ spec, data, scratch, resume: finalOf(part), control: stop });
      events.push(...part.events);
    }
    expect(curveOf({ events: withdrawRestarted(events), outcome: part.outcome })).toEqual(finalCurve(whole));
    expect(tensorsOf(finalOf(part))).toEqual(tensorsOf(finalOf(whole)));
  });
});

describe('a run that diverges again and again', () => {
  test('fails as `diverged` after three rollbacks, saying where', async () => {
    const events: TrainingEvent[] = [];
    const failed = (async () => {
      const spec = hopeless();
      for await (const event of train({ spec, data, backend: createReference(), scratch: scratchFolder() }))
        events.push(event);
    })();
    await expect(failed).rejects.toMatchObject({ code: 'diverged' });
    await expect(failed).rejects.toThrow(
      /diverged at step \d+: .*checkpoint of step \d+ is the last good one/,
    );
    expect(events.filter(({ type }) => type === 'restart').length).toBe(3);
    const checkpoint = events.findLast((event) => event.type === 'checkpoint')!;
    const model = await LanguageModel.load(exportWeights(checkpoint.data), createReference());
    let text = '';
    for await (const token of model.generate({ max_tokens: 5, seed: 1 })) text += token.text;
    expect(text).not.toBe('');
  });
});
