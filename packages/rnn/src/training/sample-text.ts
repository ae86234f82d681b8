import { randomPurposes } from '@unfold/kernels';
import { generateAlone } from '../generation/generate.ts';
import type { Network } from '../model/network.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** Tokens of a sample, by level: about three lines of text. */
const sampleTokens = { char: 240, byte: 240, word: 60 } as const;
const sampleTemperature = 0.8;

/** Text from an empty prompt, drawn from a stream of its own at each step. Null if it was interrupted. */
export const sampleText = async (
  network: Network,
  tokenizer: Tokenizer,
  { seed, step }: { seed: number; step: number },
  interrupted: () => Promise<boolean>,
): Promise<string | null> => {
  const source = { seed, purpose: randomPurposes.evaluation, step };
  const options = { max_tokens: sampleTokens[tokenizer.level], temperature: sampleTemperature };
  let text = '';
  for await (const token of generateAlone(network, tokenizer, options, source)) {
    if (await interrupted()) return null;
    text += token.text;
  }
  return text;
};
