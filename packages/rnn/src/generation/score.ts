import { nextTurn } from '../event-loop.ts';
import { ForwardPass } from '../model/forward-pass.ts';
import type { Network } from '../model/network.ts';
import { createState, releaseState } from '../model/recurrent-state.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { chunkSteps } from './session.ts';
import { cleanText } from './text-stream.ts';

export interface Score {
  tokens: string[];
  /** log P(y_t | y_1 … y_{t−1}) in nats; null for the first token of a text, which has no context. */
  log_probabilities: (number | null)[];
  /** Their sum. */
  total: number;
  /** exp(−total / predicted tokens); null where nothing was predicted. */
  perplexity: number | null;
}

/** The probability of a text, read in chunks: memory beside the answer does not grow with its length. */
export const scoreText = async (network: Network, tokenizer: Tokenizer, text: string): Promise<Score> => {
  const { backend } = network;
  const ids = tokenizer.encode(text);
  const predicted = Math.max(0, ids.length - 1);
  const tokens = Array.from(ids, (id) => cleanText(tokenizer.tokens[id]!));
  const logProbabilities: (number | null)[] = ids.length > 0 ? [null] : [];
  if (predicted === 0) return { tokens, log_probabilities: logProbabilities, total: 0, perplexity: null };

  const longest = Math.min(chunkSteps(network), predicted);
  const pass = new ForwardPass(network, longest, 1);
  const state = createState(network, 1);
  const inputs = backend.createTensor([longest, 1], 'int');
  const targets = backend.createTensor([longest, 1], 'int');
  const losses = backend.createTensor([longest, 1]);
  const loss = backend.createTensor([1], 'double');
  const host = new Int32Array(longest);
  let total = 0;
  try {
    for (let first = 0; first < predicted; first += longest) {
      const steps = Math.min(longest, predicted - first);
      host.set(ids.subarray(first, first + steps));
      backend.upload(inputs, host);
      host.set(ids.subarray(first + 1, first + 1 + steps));
      backend.upload(targets, host);
      const hidden = pass.hidden(backend.view(inputs, 0, steps), state);
      pass.losses(hidden, backend.view(targets, 0, steps), 1, { loss, correct: null, losses });
      const values = await backend.download(losses);
      for (let t = 0; t < steps; t++) {
        // Minus zero would be the answer for a certain token.
        const logProbability = 0 - values[t]!;
        logProbabilities.push(logProbability);
        total += logProbability;
      }
      await nextTurn();
    }
  } finally {
    pass.release();
    releaseState(backend, state);
    backend.release(inputs, targets, losses, loss);
  }
  return { tokens, log_probabilities: logProbabilities, total, perplexity: Math.exp(-total / predicted) };
};
