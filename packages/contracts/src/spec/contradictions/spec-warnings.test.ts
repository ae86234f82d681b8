import { specWarnings } from '@unfold/contracts';
import { expect, it } from 'vitest';
import { accepts, elman, labeling } from '../../../test-support/specs.ts';

it('warns of what is only redundant', () => {
  const forecast = { task: 'forecasting' };
  for (const [input, warning] of [
    [elman({ recurrence: 'output' }), 'bigram'],
    [{ ...forecast, ...elman({ recurrence: 'output' }) }, 'first order'],
    [{ ...forecast, model: { recurrence: 'both' } }, 'no more than "hidden"'],
  ] as const)
    expect(specWarnings(accepts(input))).toEqual([expect.stringContaining(warning)]);
  for (const input of [elman({}), forecast, { task: labeling, model: { recurrence: 'both' } }])
    expect(specWarnings(accepts(input))).toEqual([]);
});
