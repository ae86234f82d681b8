import { describe, expect, it } from 'vitest';
import { createCurves } from './curves.ts';
import type { MetricsQuery } from './repositories.ts';

interface Row {
  step: number;
  values: Record<string, number | null>;
  at: Date;
}

const toMetrics = (job: string, rows: readonly Row[], query: MetricsQuery, seq: number) => {
  const curves = createCurves(query);
  for (const { at, ...point } of rows) curves.read({ type: 'metric', attempt: 1, ...point }, at.getTime());
  return curves.toMetrics(job, seq);
};

const rows = Array.from({ length: 1000 }, (_, i) => {
  const values: Record<string, number> =
    i % 100 === 99 ? { loss: i, validation_loss: i } : { loss: i, learning_rate: 1 };
  return { step: i + 1, values, at: new Date(1000 * i) };
});

describe('curves', () => {
  it('are whole unless fewer points are asked for', () => {
    expect(toMetrics('job', rows, {}, 9)).toMatchObject({ downsampled: false, steps: { length: 1000 } });
    expect(toMetrics('job', rows, { points: 1000 }, 9).downsampled).toBe(false);
  });

  it.each([1, 2, 3, 10, 100, 999])('are thinned out to at most %i points, all real, and say so', (points) => {
    const { steps, series, downsampled } = toMetrics('job', rows, { points }, 9);
    expect(downsampled).toBe(true);
    expect(steps.length).toBe(points);
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
    expect(series.loss).toEqual(steps.map((step) => step - 1));
  });

  it('keep a rare name among a thousand of another', () => {
    const { series } = toMetrics('job', rows, { points: 50 }, 9);
    expect(series.validation_loss?.filter((value) => value !== null)).toHaveLength(10);
  });

  it.each([2, 3, 7, 50])('keep their first and last step among %i points, whatever the names', (points) => {
    const every10 = Array.from({ length: 15 }, (_, i): (typeof rows)[number] => ({
      step: 10 * (i + 1),
      at: new Date(0),
      values: i === 13 ? { validation_loss: 1 } : { loss: i },
    }));
    for (const query of [{ points }, { points, names: ['loss', 'validation_loss'] }]) {
      const { steps } = toMetrics('job', every10, query, 9);
      expect([steps[0], steps.at(-1)]).toEqual([10, 150]);
      expect(steps).toHaveLength(Math.min(points, 15));
    }
    const { steps } = toMetrics('job', rows, { points }, 9);
    expect([steps[0], steps.at(-1)]).toEqual([1, 1000]);
  });

  it('are spread evenly over the steps, however densely a part of them was logged', () => {
    const uneven = [...Array.from({ length: 100 }, (_, i) => i + 1), ...[200, 300, 400, 500, 600]];
    const { steps } = toMetrics(
      'job',
      uneven.map((step) => ({ step, values: { loss: step }, at: new Date(0) })),
      { points: 7 },
      9,
    );
    expect(steps).toEqual([1, 100, 200, 300, 400, 500, 600]);
  });

  it('tell when each point was told where that is asked for, and up to which frame they go', () => {
    expect(toMetrics('job', rows, {}, 9)).not.toHaveProperty('times');
    const { steps, times, seq } = toMetrics('job', rows, { points: 10, times: true }, 9);
    expect(times).toEqual(steps.map((step) => 1000 * (step - 1)));
    expect(seq).toBe(9);
  });

  it('hold the names that were asked for, in that order, also those that never came', () => {
    const { series, steps } = toMetrics('job', rows, { names: ['accuracy', 'validation_loss'] }, 9);
    expect(Object.keys(series)).toEqual(['accuracy', 'validation_loss']);
    expect(steps).toHaveLength(10);
    expect(series.accuracy).toEqual(steps.map(() => null));
  });

  it('hold each step once and in order, however it was told, and nothing that a restart withdrew', () => {
    const curves = createCurves({ times: true });
    const tell = (step: number, values: Row['values'], at: number) =>
      curves.read({ type: 'metric', attempt: 1, step, values }, at);
    tell(1, { loss: 5 }, 1);
    tell(3, { loss: 3 }, 2);
    tell(3, { validation_loss: 4, loss: 2 }, 3);
    tell(2, { accuracy: 0.5 }, 4);
    tell(4, { gone: 1, loss: 1 }, 5);
    curves.read({ type: 'restart', attempt: 2, from_step: 3, reason: 'resumed' }, 6);
    tell(6, { loss: null, validation_loss: 3 }, 7);
    expect(curves.toMetrics('job', 9)).toEqual({
      job_id: 'job',
      steps: [1, 2, 3, 6],
      series: {
        loss: [5, null, 2, null],
        validation_loss: [null, null, 4, 3],
        accuracy: [null, 0.5, null, null],
      },
      times: [1, 4, 2, 7],
      downsampled: false,
      seq: 9,
    });
  });
});
