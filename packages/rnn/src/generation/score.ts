import { UnfoldError } from '@unfold/contracts';
import type { Feed, HostBatch } from '../data/feed.ts';
import { nextTokens, pad } from '../data/records/batch-layout.ts';
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

/** A text on its way. */
interface Scored {
  ids: Int32Array;
  tokens: string[];
  log_probabilities: (number | null)[];
  total: number;
  /** Tokens that are predicted. */
  steps: number;
}

/** Texts that are read at once: no more, and no more tokens with their padding, than this, but for a text that is longer by itself. */
const largestGroup = 16;
const mostTokens = 1 << 16;

const begin = ({ model }: Network, tokenizer: Tokenizer, text: string): Scored => {
  const ids = tokenizer.encode(text);
  const bounded = tokenizer.boundary !== null;
  if (model.length === 'countdown' && (ids.length === 0 || ids.length > model.max_length!))
    throw new UnfoldError(
      'invalid_value',
      `Expected 1 to ${model.max_length} tokens, which this model can count down, but received ${ids.length}.`,
      { param: 'input' },
    );
  const ends = bounded && model.length !== 'countdown';
  const tokens = Array.from(ids, (id) => cleanText(tokenizer.tokens[id]!));
  return {
    ids,
    tokens: ends ? [...tokens, boundaryToken] : tokens,
    log_probabilities: bounded || ids.length === 0 ? [] : [null],
    total: 0,
    steps: bounded ? ids.length + (ends ? 1 : 0) : Math.max(0, ids.length - 1),
  };
};

type Layout = Pick<HostBatch, 'steps' | 'inputs' | 'targets' | 'lengths' | 'count'>;

/** Inputs and targets side by side: each token predicts the next. */
const layOut = ({ model }: Network, tokenizer: Tokenizer, group: readonly Scored[]): Layout => {
  const rows = group.map(({ ids }) => ({ input: ids }));
  if (tokenizer.boundary !== null) {
    const entries = rows.map(({ input }, record) => ({ record, offset: 0, length: input.length }));
    return nextTokens(entries, rows, { kind: 'text', tokenizer }, model.length);
  }
  const lengths = Int32Array.from(group, ({ steps }) => steps);
  const steps = Math.max(...lengths);
  const inputs = rows.map(({ input }) => input.subarray(0, input.length - 1));
  const targets = rows.map(({ input }) => input.subarray(1));
  return { steps, inputs: pad(inputs, steps, 1, 0), targets: pad(targets, steps, 1, -1), lengths, count: 1 };
};

/** Texts of similar lengths together, the longest first. */
const groupsOf = (texts: readonly Scored[]): Scored[][] => {
  const groups: Scored[][] = [];
  const sorted = texts.filter(({ steps }) => steps > 0).sort((a, b) => b.steps - a.steps);
  for (const text of sorted) {
    const last = groups.at(-1);
    const fits = last && last.length < largestGroup && (last.length + 1) * last[0]!.steps <= mostTokens;
    if (fits) last.push(text);
    else groups.push([text]);
  }
  return groups;
};

/** Reads a group in chunks. @param context of one text */
const scoreGroup = async (
  network: Network,
  tokenizer: Tokenizer,
  group: readonly Scored[],
  context: HostBatch['context'],
  signal: AbortSignal | undefined,
): Promise<void> => {
  const { backend, parameters, model } = network;
  const N = group.length;
  const batch = layOut(network, tokenizer, group);
  const longest = Math.max(1, Math.min(Math.floor(chunkSteps(network) / N), batch.steps));
  const feed: Pick<Feed, 'longest' | 'sequences' | 'continues'> = {
    longest: batch.steps,
    sequences: N,
    continues: true,
  };
  const tensors = new BatchTensors(network, feed);
  const pass = new ForwardPass(network, longest, N);
  const state = createState(network, N);
  const losses = backend.createTensor([longest, N]);
  const loss = backend.createTensor([1], 'double');
  const R = parameters.length?.weight.shape[0] ?? 0;
  const countdown = model.length === 'countdown' ? backend.createTensor([1, N, R]) : null;
  try {
    const contexts = context && repeat(context, N);
    const all = tensors.load({
      ...batch,
      context: contexts,
      mask: null,
      sequences: null,
      tokens: batch.steps,
    });
    pass.begin(state, all.context);
    for (let first = 0; first < batch.steps; first += longest) {
      if (signal?.aborted) return;
      const steps = Math.min(longest, batch.steps - first);
      const hidden = pass.hidden({ ...inputWithin(backend, all, first, steps), firstStep: first }, state);
      const into = { loss, correct: null, losses: backend.view(losses, 0, steps) };
      pass.losses(hidden, { ...targetsWithin(backend, all, first, steps), count: 1 }, into);
      const values = Float64Array.from(await backend.download(losses));
      if (model.length === 'bernoulli') {
        pass.endingLosses(hidden, { ...targetsWithin(backend, all.ending!, first, steps), count: 1 }, into);
        (await backend.download(losses)).forEach((value, k) => {
          values[k]! += value;
        });
      }
      if (countdown)
        for (let t = first; t < (model.renew ? first + steps : 1); t++) {
          pass.endings(backend.view(hidden, t - first, 1), countdown);
          const logits = await backend.download(countdown);
          for (const [n, text] of group.entries())
            if (t < text.steps)
              values[(t - first) * N + n]! -= logRemaining(
                logits.subarray(n * R, (n + 1) * R),
                text.steps - 1 - t,
                model.max_length! - 1 - t,
              );
        }
      for (const [n, text] of group.entries())
        for (let t = 0; t < Math.min(steps, text.steps - first); t++) {
          // Minus zero would be the answer for a certain token.
          const logProbability = 0 - values[t * N + n]!;
          text.log_probabilities.push(logProbability);
          text.total += logProbability;
        }
      await nextTurn();
    }
  } finally {
    tensors.release();
    pass.release();
    releaseState(backend, state);
    backend.release(losses, loss, ...(countdown ? [countdown] : []));
  }
};

const repeat = (context: NonNullable<HostBatch['context']>, times: number): HostBatch['context'] => {
  const rows = new (context.constructor as Float32ArrayConstructor)(context.length * times);
  for (let n = 0; n < times; n++) rows.set(context, n * context.length);
  return rows;
};

/**
 * The probability of each text, whatever the others are: texts of similar lengths are read side by side, in chunks, so that memory beside the
 * answers and their tokens does not grow with their length. A sequence's includes its first token and its end: it is the probability with which
 * generation writes the text from an empty prompt at temperature 1. Where a remaining length is drawn anew at each step, it is that of writing
 * the text with draws that all come true: the other paths to it are too many to add up.
 * @param context of all of them, as the network reads it
 * @param signal once it aborts, nobody reads the answer any more
 */
export const scoreTexts = async (
  network: Network,
  tokenizer: Tokenizer,
  texts: readonly string[],
  context: HostBatch['context'] = null,
  signal?: AbortSignal,
): Promise<Score[]> => {
  const scored: Scored[] = [];
  for (const text of texts) {
    scored.push(begin(network, tokenizer, text));
    await nextTurn();
  }
  for (const group of groupsOf(scored)) {
    if (signal?.aborted) break;
    await scoreGroup(network, tokenizer, group, context, signal);
  }
  return scored.map(({ tokens, log_probabilities, total, steps }) => ({
    tokens,
    log_probabilities,
    total,
    perplexity: steps === 0 ? null : Math.exp(-total / steps),
  }));
};
