import { describe, expect, it } from 'vitest';
import { tokenTexts, visible } from './token-texts.ts';

describe('tokens as they are shown in a text', () => {
  it('leaves out what begins a sequence, and nothing else', () => {
    expect(tokenTexts(['<s>', 'a', '<s>'], 'char')).toEqual(['', 'a', '<s>']);
    expect(tokenTexts(['<unk>', ' cat'], 'word')).toEqual(['<unk>', ' cat']);
  });

  it('shows a character of several bytes in the place of the first one', () => {
    const tokens = ['a', '<0xC3>', '<0xA4>', 'b', '<0xE2>', '<0x82>', '<0xAC>', '<0xC3>', '<0xB6>'];
    expect(tokenTexts(tokens, 'byte')).toEqual(['a', 'ä', '', 'b', '€', '', '', 'ö', '']);
    expect(tokenTexts(['<0xC3>', 'a'], 'byte')).toEqual(['\uFFFD', 'a']);
  });

  it('makes white space visible', () => {
    expect([' ', ' cat', '\n', 'a b'].map(visible)).toEqual(['␣', '␣cat', '⏎', 'a b']);
  });
});
