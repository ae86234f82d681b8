import { stripVTControlCharacters } from 'node:util';
import type { JobProgress } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration, harmless } from '../output/format.ts';
import { styleOf } from '../output/style.ts';
import { createCurve } from './curve.ts';
import { progressBar, sparkline, thinOut } from './draw.ts';
import { drawChart } from './draw-chart.ts';
import { drawRun } from './draw-run.ts';
import { createView } from './views.ts';

const metric = (step: number, values: Record<string, number>) =>
  ({ type: 'metric', step, attempt: 1, values }) as const;

const plain = styleOf(process.stdout);

describe.each([
  { name: 'the large curve', draw: drawChart },
  { name: 'the view of a run', draw: drawRun },
])('$name', ({ draw }) => {
  it('fits into the terminal, whatever its width and however much there is to show', () => {
    const curve = createCurve('Moby Dick, a title that is far longer than any narrow terminal is wide', 1000);
    curve.add({ type: 'status', status: 'running', attempt: 1 });
    for (let step = 1; step <= 1000; step += 1)
      curve.add(metric(step, { loss: 3 / Math.sqrt(step), tokens_per_second: 9876, eta_seconds: 61 }));
    curve.add({ type: 'sample', step: 1000, text: `${'long '.repeat(100)}\nlines\u001b[2J` });
    for (const columns of [40, 80, 300]) {
      const text = stripVTControlCharacters(draw(curve.picture(), columns, plain));
      for (const line of text.split('\n'))
        expect([...line].length).toBeLessThanOrEqual(Math.max(columns, 60));
      expect(text).toContain('step 1,000 of 1,000');
      expect(text).toContain('9,876 tokens/s');
      expect(text).toContain('1:01 left');
      expect(text).toContain('long long');
      expect(text.split('\n').length).toBeLessThan(20);
    }
  });

  it('draws nothing yet, one point, and a flat curve without complaint', () => {
    const curve = createCurve('t', null);
    for (const step of [1, 2, 3]) {
      expect(draw(curve.picture(), 80, plain)).not.toContain('NaN');
      curve.add(metric(step, { loss: 2 }));
    }
    expect(draw(curve.picture(), 80, plain)).not.toContain('NaN');
  });

  it('says why nothing moves', () => {
    const curve = createCurve('t', null);
    curve.connection(true);
    expect(draw(curve.picture(), 80, plain)).toContain('The connection is lost; trying again.');
  });
});

describe('the view of a run', () => {
  it('has no line that wraps, in windows as narrow as they may be', () => {
    const curve = createCurve('Moby Dick', 1_000_000);
    curve.add(metric(123_456, { loss: 1, tokens_per_second: 9876, eta_seconds: 3661 }));
    curve.add({ type: 'status', status: 'running', attempt: 1 });
    for (let columns = 50; columns >= 40; columns -= 1)
      for (const line of drawRun(curve.picture(), columns, plain).split('\n'))
        expect([...stripVTControlCharacters(line)].length).toBeLessThan(Math.max(columns, 46));
  });
});

describe('a run without a terminal', () => {
  it('prints a line each twentieth, once a minute at least, and what is wrong', () => {
    const written: string[] = [];
    const stream = { write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
    let now = 0;
    const view = createView(stream, drawRun, () => now);
    const curve = createCurve('t', 1000);
    const show = (step: number, at: number): void => {
      now = at;
      curve.add(metric(step, { loss: 2 }));
      view.show(curve.picture());
    };
    show(1, 1000);
    show(2, 2000);
    show(3, 61_500);
    show(50, 62_000);
    curve.connection(true);
    view.show(curve.picture());
    view.show(curve.picture());
    expect(written.map((line) => line.trim())).toEqual([
      'step 1 of 1,000 · loss 2.000',
      'step 3 of 1,000 · loss 2.000',
      'step 50 of 1,000 · loss 2.000',
      'The connection is lost; trying again.',
    ]);
  });
});

describe('how much of a run is done', () => {
  const told = (changes: Partial<JobProgress>) => {
    const curve = createCurve('t', null);
    const progress = {
      step: 5,
      total_steps: 100,
      epoch: 1,
      tokens: 9,
      seconds: 3,
      share: 0.05,
      eta_seconds: 1,
    };
    curve.know({ progress: { ...progress, ...changes }, blocked: null });
    curve.add(metric(10, { loss: 1 }));
    return stripVTControlCharacters(drawRun(curve.picture(), 80, plain));
  };

  it('is the share of its steps, as far as they have come, or of its time where that is over first', () => {
    expect(told({})).toContain(' 10%  step 10 of 100');
    expect(told({ share: 0.5 })).toContain(' 50%  step 10 of 100');
    expect(told({ share: null })).toContain(' 10%  step 10 of 100');
    expect(told({ total_steps: null, share: null })).toContain('  0%  step 10');
  });
});

describe('a curve', () => {
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

  it('draws a curve in one line, from its lowest to its highest value', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe('▁▂▃▄▅▆▇█');
    expect(sparkline([2, 2], 8)).toBe('▁▁');
    expect(sparkline([], 8)).toBe('');
  });

  it('writes durations and sizes as one reads them', () => {
    expect([0, 59.6, 125, 3723].map(formatDuration)).toEqual(['0:00', '1:00', '2:05', '1:02:03']);
    expect([0, 999, 1234, 45_600_000].map(formatBytes)).toEqual(['0 B', '999 B', '1.2 kB', '46 MB']);
  });

  it('leaves nothing in a text that a terminal would obey', () => {
    expect(harmless('a\u001b[2J\tb\n\u0007')).toBe('a\uFFFD[2J\tb\n\uFFFD');
  });
});
