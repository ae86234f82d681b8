import { UnfoldError } from '@unfold/contracts';
import type { Feed, HostBatch } from '../data/feed.ts';
import { nextTokens } from '../data/records/batch-layout.ts';
import { nextTurn } from '../event-loop.ts';
import { ForwardPass } from '../model/forward-pass.ts';
import type { Network } from '../model/network.ts';
import { inputWithin, targetsWithin } from '../model/pass-batch.ts';
import { createState, releaseState } from '../model/recurrent-state.ts';
import { boundaryToken, type Tokenizer } from '../text/tokenizer.ts';
import { BatchTensors } from '../training/batch-tensors.ts';
import { chunkSteps } from './prompt-reader.ts';
import { logRemaining } from './remaining-length.ts';
import { cleanText } from './text-stream.ts';

export interface Score {
  /** With `<s>` for the end of a sequence. */
  tokens: string[];
  /**
   * log P(y_t | y_1 … y_{t−1}) in nats, the decision to go on or to end included; null for the first token of an endless text, which has
   * no context.
   */
  log_probabilities: (number | null)[];
  /** Their sum. */
  total: number;
  /** exp(−total / predicted tokens); null where nothing was predicted. */
  perplexity: number | null;
}

/** Inputs and targets of an endless text: each token predicts the next. */
const endlessBatch = (
  ids: Int32Array,
): Pick<HostBatch, 'steps' | 'inputs' | 'targets' | 'lengths' | 'count'> => {
  const steps = Math.max(0, ids.length - 1);
  return { steps, inputs: ids.subarray(0, steps), targets: ids.subarray(1), lengths: null, count: steps };
};

const sequenceBatch = ({ model }: Network, tokenizer: Tokenizer, ids: Int32Array) => {
  if (model.length === 'countdown' && (ids.length === 0 || ids.length > model.max_length!))
    throw new UnfoldError(
      'invalid_value',
      `Expected 1 to ${model.max_length} tokens, which this model can count down, but received ${ids.length}.`,
      { param: 'input' },
    );
  return nextTokens(
    [{ record: 0, offset: 0, length: ids.length }],
    [{ input: ids }],
    { kind: 'text', tokenizer },
    model.length,
  );
};

const nothing: Score = { tokens: [], log_probabilities: [], total: 0, perplexity: null };

/**
 * The probability of a text, read in chunks: memory beside the answer and its tokens does not grow with its length. A sequence's includes its
 * first token and its end: it is the probability with which generation writes the text from an empty prompt at temperature 1. Where a remaining
 * length is drawn anew at each step, it is that of writing the text with draws that all come true: the other paths to it are too many to add up.
 */
export const scoreText = async (
  network: Network,
  tokenizer: Tokenizer,
  text: string,
  context: HostBatch['context'] = null,
): Promise<Score> => {
  const { backend, parameters, model } = network;
  const ids = tokenizer.encode(text);
  const bounded = tokenizer.boundary !== null;
  const tokens = Array.from(ids, (id) => cleanText(tokenizer.tokens[id]!));
  const batch = bounded ? sequenceBatch(network, tokenizer, ids) : endlessBatch(ids);
  if (batch.steps === 0)
    return ids.length === 0 ? nothing : { ...nothing, tokens, log_probabilities: [null] };
  if (batch.steps > ids.length) tokens.push(boundaryToken);
  const longest = Math.min(chunkSteps(network), batch.steps);
  const feed: Pick<Feed, 'longest' | 'sequences' | 'continues'> = {
    longest: batch.steps,
    sequences: 1,
    continues: true,
  };
  const tensors = new BatchTensors(network, feed);
  const pass = new ForwardPass(network, longest, 1);
  const state = createState(network, 1);
  const losses = backend.createTensor([longest, 1]);
  const loss = backend.createTensor([1], 'double');
  const countdown =
    model.length === 'countdown' ? backend.createTensor([1, 1, parameters.length!.weight.shape[0]!]) : null;
  const logProbabilities: (number | null)[] = bounded ? [] : [null];
  let total = 0;
  try {
    const all = tensors.load({ ...batch, context, mask: null, sequences: null, tokens: batch.steps });
    pass.begin(state, all.context);
    for (let first = 0; first < batch.steps; first += longest) {
      const steps = Math.min(longest, batch.steps - first);
      const input = { ...inputWithin(backend, all, first, steps), lengths: null, firstStep: first };
      const hidden = pass.hidden(input, state);
      const into = { loss, correct: null, losses: backend.view(losses, 0, steps) };
      pass.losses(hidden, { ...targetsWithin(backend, all, first, steps), count: 1 }, into);
      const values = Float64Array.from(await backend.download(losses));
      if (model.length === 'bernoulli') {
        pass.endingLosses(hidden, { ...targetsWithin(backend, all.ending!, first, steps), count: 1 }, into);
        (await backend.download(losses)).forEach((value, t) => {
          values[t]! += value;
        });
      }
      if (countdown)
        for (let t = first; t < (model.renew ? first + steps : 1); t++) {
          pass.endings(backend.view(hidden, t - first, 1), countdown);
          const logits = await backend.download(countdown);
          values[t - first]! -= logRemaining(logits, batch.steps - 1 - t, model.max_length! - 1 - t);
        }
      for (let t = 0; t < steps; t++) {
        // Minus zero would be the answer for a certain token.
        const logProbability = 0 - values[t]!;
        logProbabilities.push(logProbability);
        total += logProbability;
      }
      await nextTurn();
    }
  } finally {
    tensors.release();
    pass.release();
    releaseState(backend, state);
    backend.release(losses, loss, ...(countdown ? [countdown] : []));
  }
  return {
    tokens,
    log_probabilities: logProbabilities,
    total,
    perplexity: Math.exp(-total / batch.steps),
  };
};
