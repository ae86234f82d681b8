import { type Backend, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { fragile } from '../../test-support/diverging.ts';
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
  tinySpec,
  withdrawRestarted,
} from '../../test-support/runs.ts';

/** Computes as the reference does, and says that its memory is a device's own, so that a run goes ahead of its losses. */
const device = (): Backend => ({
  ...createReference(),
  memory: { tensor: 2 ** 30, total: 2 ** 30, workspace: () => 0 },
});

const data = textFile(sentence.repeat(3));
const final = (run: Recorded) => tensorsOf(finalOf(run));
/** What a run tells, but for what hangs on the clock. */
const story = (run: Recorded) => ({
  curve: curveOf({ ...run, events: withdrawRestarted(run.events) }),
  checkpoints: checkpointsOf(run).map(({ step, reason, best }) => ({ step, reason, best })),
  restarts: run.events.filter(({ type }) => type === 'restart'),
  logs: logsOf(run),
});

const sparse = tinySpec({
  model: { cell: 'lstm', num_layers: 2, embedding_size: 4, dropout: 0.3 },
  training: {
    max_steps: 23,
    epochs: 100,
    log_every: 7,
    evaluate_every: 11,
    sample_every: 1000,
    checkpoint_every: 5,
  },
});

describe('a run ahead of its losses', () => {
  test('tells the same as one that waits for each, and leaves the same bits', async () => {
    const [waiting, ahead] = [
      await record({ spec: sparse, data }),
      await record({ spec: sparse, data, backend: device() }),
    ];
    expect(story(ahead)).toEqual(story(waiting));
    expect(final(ahead)).toEqual(final(waiting));
  });

  test('may be stopped after any step, and goes on as if it had not been', async () => {
    const scratch = scratchFolder();
    const whole = await record({ spec: sparse, data, backend: device(), scratch });
    for (const stopAt of [1, 2, 3, 6, 8, 12, 13, 20]) {
      let asked = 0;
      const control = () => (++asked === stopAt ? ('stop' as const) : ('continue' as const));
      const first = await record({ spec: sparse, data, backend: device(), scratch, control });
      expect(first.outcome.type, `${stopAt}`).toBe('stopped');
      const resume = checkpointsOf(first).at(-1)!.data.slice();
      const rest = await record({ spec: sparse, data, backend: device(), scratch, resume });
      expect([...curveOf(first), ...curveOf(rest)], `${stopAt}`).toEqual(curveOf(whole));
      expect(final(rest), `${stopAt}`).toEqual(final(whole));
    }
  });

  test('goes back to the same step when it diverges, and names the step at which it did', async () => {
    const spec = fragile(12, { log_every: 10 });
    const [waiting, ahead] = [await record({ spec, data }), await record({ spec, data, backend: device() })];
    expect(story(ahead)).toEqual(story(waiting));
    expect(story(ahead).logs.join()).toMatch(/diverged at step 9: .*from step 5/);
    expect(final(ahead)).toEqual(final(waiting));
  });
});
