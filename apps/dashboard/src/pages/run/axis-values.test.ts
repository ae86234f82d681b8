import type { JobResource } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { Column } from '../../charts/columns.ts';
import { secondsAt, tokensAt } from './axis-values.ts';

const column = (...values: number[]): Column => {
  const made = new Column();
  for (const value of values) made.push(value);
  return made;
};
const spec = { training: { batch_size: 4, sequence_length: 16 } } as JobResource['spec'];
const progress = (step: number, epoch: number, tokens: number): JobResource['progress'] => ({
  step,
  epoch,
  tokens,
  total_steps: null,
  seconds: 0,
  share: null,
  eta_seconds: null,
});

describe('the axes of a chart', () => {
  const points = { step: column(1, 2, 40), epoch: column(0.1, 0.2, 4) };

  it('count tokens also before the run has told how far it is', () => {
    const at = (...told: Parameters<typeof progress>) => [
      ...tokensAt(points, { spec, progress: progress(...told) }),
    ];
    expect(at(0, 0, 0)).toEqual([64, 128, 2560]);
    expect(at(10, 0, 500)).toEqual([50, 100, 2000]);
    expect(at(20, 2, 1000)).toEqual([50, 100, 2000]);
  });

  it('count the time of training, not that between attempts', () => {
    const gaps = [{ from: 3000, to: 60_000 }];
    expect([...secondsAt({ time: column(2000, 3000, 61_000) }, 1000, gaps)]).toEqual([1, 2, 3]);
    // Two points that were told together share the time since those before, of which a second counts.
    expect([...secondsAt({ time: column(2000, 60_500, 60_500) }, 1000, gaps)]).toEqual([1, 2, 2.5]);
  });
});
