import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createCurve } from './curve.ts';
import { drawPicture, formatDuration, progressBar, thinOut } from './draw.ts';

const metric = (step: number, values: Record<string, number>) =>
  ({ type: 'metric', step, attempt: 1, values }) as const;

describe('the live view', () => {
  it('fits into the terminal, whatever its width and however much there is to show', () => {
    const curve = createCurve('Moby Dick, a title that is far longer than any narrow terminal is wide', 1000);
    for (let step = 1; step <= 1000; step += 1)
      curve.add(metric(step, { loss: 3 / Math.sqrt(step), tokens_per_second: 9876, eta_seconds: 61 }));
    curve.add({ type: 'sample', step: 1000, text: `${'long '.repeat(100)}\nlines` });
    for (const columns of [40, 80, 300]) {
      const lines = stripVTControlCharacters(drawPicture(curve.picture(), columns)).split('\n');
      for (const line of lines) expect([...line].length).toBeLessThanOrEqual(Math.max(columns, 60));
      expect(lines.join('\n')).toContain('step 1,000 of 1,000');
      expect(lines.join('\n')).toContain('9,876 tokens/s · 1:01 left');
    }
  });

  it('draws nothing yet, one point, and a flat curve without complaint', () => {
    const curve = createCurve('t', null);
    for (const step of [1, 2, 3]) {
      expect(drawPicture(curve.picture(), 80)).not.toContain('NaN');
      curve.add(metric(step, { loss: 2 }));
    }
    expect(drawPicture(curve.picture(), 80)).not.toContain('NaN');
  });

  it('drops the points that a restart withdraws', () => {
    const curve = createCurve('t', 10);
    for (const step of [1, 2, 3]) curve.add(metric(step, { loss: step }));
    curve.add({ type: 'restart', attempt: 2, from_step: 1, reason: 'resumed' });
    curve.add(metric(2, { loss: 20 }));
    expect(curve.picture().losses).toEqual([1, 20]);
  });
});

describe('its parts', () => {
  it('thins a curve out by means', () => {
    expect(thinOut([1, 2, 3, 4], 2)).toEqual([1.5, 3.5]);
    expect(thinOut([1, 2], 5)).toEqual([1, 2]);
  });

  it('draws bars in eighths', () => {
    expect(progressBar(0, 4)).toBe('░░░░');
    expect(progressBar(0.5, 4)).toBe('██░░');
    expect(progressBar(1 / 32, 4)).toBe('▏░░░');
    expect(progressBar(2, 4)).toBe('████');
  });

  it('writes durations as minutes and seconds', () => {
    expect([0, 59.6, 125].map(formatDuration)).toEqual(['0:00', '1:00', '2:05']);
  });
});
