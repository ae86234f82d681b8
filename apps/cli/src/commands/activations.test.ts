import { describe, expect, it } from 'vitest';
import { styleOf } from '../output/style.ts';
import { drawActivations } from './activations.ts';

const style = styleOf(process.stdout);
const unit = (name: string, values: number[]) => ({
  name,
  layer: 0,
  unit: 0,
  mean: 0,
  deviation: 1,
  values,
});
const answer = (tokens: string[], ...units: ReturnType<typeof unit>[]) => ({
  object: 'activations' as const,
  tokens,
  layers: [4],
  units,
});

describe('activations in a terminal', () => {
  it('stand below their tokens, from −1 to 1', () => {
    const drawn = drawActivations(
      answer(['a', ' ', '\n'], unit('0.3', [-1, 0.1, 1]), unit('0.12', [1, -1, -1])),
      style,
      80,
    );
    expect(drawn).toEqual(['      a␣⏎', '0.3   ▁▅█', '0.12  █▁▁']);
  });

  it('are as wide as words, and go on in further blocks where the terminal ends', () => {
    const drawn = drawActivations(answer(['the', 'cat', 'sat'], unit('0.3', [-1, 1, -1])), style, 14);
    expect(drawn).toEqual(['     the cat', '0.3  ▁▁▁ ███', '', '     sat', '0.3  ▁▁▁']);
  });
});
