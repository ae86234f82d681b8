import type { Frame } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { Curves } from './curves.ts';

const at = '2026-11-23T12:00:00.000Z';
let seq = 0;
const metric = (step: number, values: Record<string, number | null>): Frame => {
  seq += 1;
  return { seq, at, job_id: 'job-1', type: 'metric', attempt: 1, step, values };
};
const restart = (from_step: number): Frame => {
  seq += 1;
  return { seq, at, job_id: 'job-1', type: 'restart', attempt: 2, from_step, reason: 'resumed' };
};
const points = (curves: Curves, name: string) => {
  const { step, value } = curves.byName.get(name) ?? { step: { values: [] }, value: { values: [] } };
  return [...step.values].map((place, index) => [place, value.values[index]]);
};

describe('the curves of a run', () => {
  const told = {
    job_id: 'job-1',
    steps: [10, 20, 30],
    series: { loss: [3, 2, 1], validation_loss: [null, 2.5, null] },
    times: [1, 2, 3],
    downsampled: false,
    seq: 3,
  };

  it('go on after what the route told, whichever of it comes again', () => {
    const curves = new Curves();
    curves.load(told);
    for (const frame of [metric(20, { loss: 2 }), metric(30, { loss: 1 }), metric(40, { loss: 0.5 })])
      curves.hear(frame);
    expect(points(curves, 'loss')).toEqual([
      [10, 3],
      [20, 2],
      [30, 1],
      [40, 0.5],
    ]);
    expect(points(curves, 'validation_loss')).toEqual([[20, 2.5]]);
  });

  it('lose what a restart withdraws, and hold each step once when it comes again', () => {
    const curves = new Curves();
    curves.load(told);
    curves.hear(metric(35, { loss: 9, validation_loss: 9 }));
    curves.hear(restart(20));
    expect(points(curves, 'loss')).toEqual([
      [10, 3],
      [20, 2],
    ]);
    for (const step of [25, 30]) curves.hear(metric(step, { loss: step / 100 }));
    curves.hear(metric(30, { validation_loss: 0.7 }));
    expect(points(curves, 'loss').slice(2)).toEqual([
      [25, 0.25],
      [30, 0.3],
    ]);
    expect(points(curves, 'validation_loss')).toEqual([
      [20, 2.5],
      [30, 0.7],
    ]);
  });

  it('leave out what was not finite', () => {
    const curves = new Curves();
    curves.hear(metric(1, { loss: null, gradient_norm: 2 }));
    expect(points(curves, 'loss')).toEqual([]);
    expect(points(curves, 'gradient_norm')).toEqual([[1, 2]]);
  });
});
