import { expect, it } from 'vitest';
import { csvOf } from './csv.ts';
import type { Curve } from './curve.ts';

it('saves what was measured under its own name, and what is drawn smoothed beside it', () => {
  const x = Float64Array.of(1, 2);
  const curves: Curve[] = [
    { label: 'training, as measured', measures: 'training', color: 'series-1', x, y: Float64Array.of(4, 2) },
    { label: 'training', smoothing: 0.5, color: 'series-1', x, y: Float64Array.of(4, 3) },
    { label: 'validation', color: 'series-2', x: Float64Array.of(2), y: Float64Array.of(5) },
  ];
  expect(csvOf('Steps', curves).split('\n')).toEqual([
    'Steps,training,training (smoothed 0.5),validation',
    '1,4,4,',
    '2,2,3,5',
  ]);
});
