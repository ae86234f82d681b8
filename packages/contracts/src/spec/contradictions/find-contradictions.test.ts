import { expect, it } from 'vitest';
import { refusal } from '../../../test-support/specs.ts';

it('names all contradictions in one answer, the first one as its field', () => {
  const error = refusal({ model: { activation: 'relu', reset: 'before', dropout: 0.5, num_layers: 1 } });
  expect(error.param).toBe('model.activation');
  for (const field of ['model.activation', 'model.reset', 'model.dropout'])
    expect(error.message).toContain(field);
});
