import { UnfoldError } from '@unfold/contracts/values';
import type { Tensor } from '@unfold/kernels';
import { joinIds } from '../data/records/batch-layout.ts';
import { nextTurn } from '../event-loop.ts';
import type { Network } from '../model/network.ts';
import { countdownInputs } from '../model/parameter-table.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import { type Chunk, ChunkReader, turnTokens } from '../rows/chunk-reader.ts';
import { RowCall } from '../rows/row-call.ts';
import { RowQueue, type RowWork } from '../rows/row-queue.ts';
import { boundaryToken, type Tokenizer } from '../text/tokenizer.ts';
import { countdownOf, logRemaining } from './remaining-length.ts';
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
export interface ScoredText {
  readonly owner: RowCall;
  readonly context: Int32Array | Float32Array | null;
  readonly tokens: string[];
  /** What is read, and what is held against the outputs, −1 where nothing is; both of `steps`. */
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
  readonly countdown: Float32Array | null;
  /** Tokens that are predicted. */
  readonly steps: number;
  read: number;
  state: StateValues | null;
  readonly log_probabilities: (number | null)[];
  total: number;
}

const begin = (
  { model }: Network,
  tokenizer: Tokenizer,
  text: string,
  context: ScoredText['context'],
  owner: RowCall,
): ScoredText => {
  const ids = tokenizer.encode(text);
  const { boundary } = tokenizer;
  const countsDown = model.length === 'countdown';
  if (countsDown && (ids.length === 0 || ids.length > model.max_length!))
    throw new UnfoldError(
      'invalid_value',
      `Expected 1 to ${model.max_length} tokens, which this model can count down, but received ${ids.length}.`,
      { param: 'input' },
    );
  const bounded = boundary !== null;
  const ends = bounded && !countsDown;
  const tokens = Array.from(ids, (id) => cleanText(tokenizer.tokens[id]!));
  // A coin that ends the text is no token.
  const last = ends ? [model.length === 'eos' ? boundary : -1] : [];
  const all = joinIds(bounded ? [boundary] : [], joinIds(ids, last));
  const steps = Math.max(0, all.length - 1);
  return {
    owner,
    context,
    tokens: ends ? [...tokens, boundaryToken] : tokens,
    inputs: all.subarray(0, steps),
    targets: all.subarray(1),
    countdown: countsDown ? countdownOf(steps, steps, model.max_length!) : null,
    steps,
    read: 0,
    state: null,
    log_probabilities: bounded || ids.length === 0 ? [] : [null],
    total: 0,
  };
};

/** Texts that are read at once. */
const largestGroup = 16;

/** Scores the texts of all calls side by side. */
class ScoreWork implements RowWork<ScoredText> {
  readonly #network: Network;
  readonly #reader: ChunkReader;

  constructor(network: Network) {
    this.#network = network;
    this.#reader = new ChunkReader(network);
  }

  joins(group: readonly ScoredText[], text: ScoredText): boolean {
    return group.length < largestGroup && (!this.#reader.sameSteps || text.read === group[0]!.read);
  }

  async advance(group: readonly ScoredText[]): Promise<ScoredText[]> {
    const texts = [...group].sort((a, b) => b.steps - b.read - (a.steps - a.read));
    const rows = texts.map(({ state, read, steps, inputs, countdown, context }) => ({
      state,
      position: read,
      ahead: steps - read,
      inputs: inputs.subarray(read),
      feedback: null,
      countdown: countdown?.subarray(read * countdownInputs) ?? null,
      ...(state && { memory: state }),
      context,
    }));
    const hear = async (chunk: Chunk): Promise<void> => {
      const values = await this.#losses(texts, chunk);
      texts.forEach((text, n) => {
        for (let t = 0; t < chunk.lengths[n]!; t++) {
          // Minus zero would be the answer for a certain token.
          const logProbability = 0 - values[t * chunk.rows + n]!;
          text.log_probabilities.push(logProbability);
          text.total += logProbability;
        }
      });
    };
    const chunks = await this.#reader.read(rows, turnTokens(this.#network, rows.length), hear);
    texts.forEach((text, n) => {
      text.read += chunks[n]!.steps;
      text.state = chunks[n]!.state;
      if (text.read === text.steps) text.owner.done();
    });
    return group.filter(({ read, steps }) => read < steps);
  }

  /** −log P of each text's steps, [T,N]. */
  async #losses(texts: readonly ScoredText[], { pass, hidden, ...chunk }: Chunk): Promise<Float64Array> {
    const { backend, model } = this.#network;
    const { steps, rows: N, lengths } = chunk;
    const made: Tensor[] = [];
    const keep = (tensor: Tensor): Tensor => {
      made.push(tensor);
      return tensor;
    };
    /** [T,N], −1 in padding. */
    const at = (value: (text: ScoredText, t: number) => number): Int32Array => {
      const all = new Int32Array(steps * N).fill(-1);
      texts.forEach((text, n) => {
        for (let t = 0; t < lengths[n]!; t++) all[t * N + n] = value(text, text.read + t);
      });
      return all;
    };
    const ints = (values: Int32Array): Tensor => {
      const tensor = keep(backend.createTensor([steps, N], 'int'));
      backend.upload(tensor, values);
      return tensor;
    };
    try {
      const losses = keep(backend.createTensor([steps, N]));
      const into = { loss: keep(backend.createTensor([1], 'double')), correct: null, losses };
      pass.losses(hidden, { targets: ints(at(({ targets }, t) => targets[t]!)), mask: null, count: 1 }, into);
      const values = Float64Array.from(await backend.download(losses));
      if (model.length === 'bernoulli') {
        const halts = at((text, t) => (t === text.steps - 1 ? 1 : 0));
        const targets = keep(backend.createTensor([steps, N, 1]));
        backend.upload(
          targets,
          Array.from(halts, (halt) => Math.max(0, halt)),
        );
        const mask = ints(halts.map((halt) => (halt < 0 ? 0 : 1)));
        pass.endingLosses(hidden, { targets, mask, count: 1 }, into);
        (await backend.download(losses)).forEach((value, k) => {
          values[k]! += value;
        });
      }
      if (model.length === 'countdown') await this.#countDown(texts, { pass, hidden, ...chunk }, values);
      return values;
    } finally {
      backend.release(...made);
    }
  }

  /** Adds what the remaining lengths lose, which are drawn at every step, or at the first one of a text. */
  async #countDown(
    texts: readonly ScoredText[],
    { pass, hidden, steps, rows: N, lengths }: Chunk,
    values: Float64Array,
  ): Promise<void> {
    const { backend, model, parameters } = this.#network;
    const R = parameters.length!.weight.shape[0]!;
    const draws = ({ read }: ScoredText, t: number): boolean => model.renew || read + t === 0;
    const endings = backend.createTensor([1, N, R]);
    try {
      for (let t = 0; t < steps; t++) {
        if (!texts.some((text) => draws(text, t))) continue;
        pass.endings(backend.view(hidden, t, 1), endings);
        const logits = await backend.download(endings);
        for (const [n, text] of texts.entries()) {
          if (t >= lengths[n]! || !draws(text, t)) continue;
          const place = text.read + t;
          values[t * N + n]! -= logRemaining(
            logits.subarray(n * R, (n + 1) * R),
            text.steps - 1 - place,
            model.max_length! - 1 - place,
          );
        }
      }
    } finally {
      backend.release(endings);
    }
  }

  release(): void {
    this.#reader.release();
  }
}

export type ScoreQueue = RowQueue<ScoredText>;

/** Where the texts of all calls are scored. */
export const createScoreQueue = (network: Network): ScoreQueue => new RowQueue(new ScoreWork(network));

/**
 * The probability of each text, whatever else is scored: the texts of all calls are read side by side, in chunks, so that memory beside the
 * answers and their tokens does not grow with their length. A sequence's includes its first token and its end: it is the probability with which
 * generation writes the text from an empty prompt at temperature 1. Where a remaining length is drawn anew at each step, it is that of writing
 * the text with draws that all come true: the other paths to it are too many to add up.
 * @param context of all of them, as the network reads it
 * @param signal once it aborts, nobody reads the answer any more, and it lacks what was not computed
 */
export const scoreTexts = async (
  queue: ScoreQueue,
  network: Network,
  tokenizer: Tokenizer,
  texts: readonly string[],
  context: ScoredText['context'] = null,
  signal?: AbortSignal,
): Promise<Score[]> => {
  const owner = new RowCall(texts.length, signal);
  const scored: ScoredText[] = [];
  for (const text of texts) {
    if (owner.over) break;
    scored.push(begin(network, tokenizer, text, context, owner));
    await nextTurn();
  }
  // Those of similar lengths are read side by side, the longest first.
  const rows = scored.filter(({ steps }) => steps > 0).sort((a, b) => b.steps - a.steps);
  for (let empty = scored.length - rows.length; empty > 0; empty--) owner.done();
  queue.add(rows);
  await owner.result;
  return scored.map(({ tokens, log_probabilities, total, steps }) => ({
    tokens,
    log_probabilities,
    total,
    perplexity: steps === 0 ? null : Math.exp(-total / steps),
  }));
};
