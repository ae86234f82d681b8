import type { Tensor } from '@unfold/kernels';
import { nextTurn } from '../event-loop.ts';
import type { Network } from '../model/network.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import type { RowOutputs } from '../model/row-rooms.ts';
import { RowStep } from '../model/row-step.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { Adjustment, type AdjustmentOptions } from './adjustment.ts';
import type { TokenScore } from './choice-text.ts';
import { logSigmoid, logSoftmaxAt, remainingRange } from './endings.ts';
import { logRemaining } from './remaining-length.ts';
import { alternativesOf } from './sampled-stream.ts';
import { likeliestTokens, logSum } from './sampler.ts';

/** A token of a text that is followed, and what came before it. */
interface Node {
  parent: Node | null;
  score: TokenScore;
  /** The end of the text, as long as the longest stop string may need. */
  tail: string;
}

/** A text that a beam follows. */
interface Hypothesis {
  node: Node | null;
  /** Summed log-probabilities. */
  total: number;
  finish_reason: 'stop' | 'length' | null;
  /** Of a countdown: tokens that are left. */
  remaining: number | null;
}

interface Candidate {
  row: number;
  /** null: the text ends without another one. */
  token: number | null;
  /** How the end was decided on, in nats, and what a countdown says then. */
  beside: number;
  remaining: number | null;
  ends: boolean;
  total: number;
}

/** What the end may be decided on at a token. */
interface Way {
  beside: number;
  remaining: number | null;
  ends: boolean;
}

export interface BeamRequest {
  network: Network;
  tokenizer: Tokenizer;
  width: number;
  maxTokens: number;
  stops: readonly string[];
  adjustment: AdjustmentOptions;
  /** Alternatives a token; null: none. */
  alternatives: number | null;
  context: Tensor | null;
  /** Where it goes on from, what is left to read, and t of the first of that. */
  state: StateValues;
  unread: Int32Array;
  position: number;
  /** Hears what was expected before each token but the first that is read, and the head that ends sequences. */
  hearKnown: (place: number, logits: StateValues, endings: StateValues | null) => void;
  /** Whether nobody waits for it any more. */
  over(): boolean;
}

export interface Found {
  scores: TokenScore[];
  total: number;
  finish_reason: 'stop' | 'length';
}

const goesOn: Way = { beside: 0, remaining: null, ends: false };

/**
 * The likeliest texts after a prompt, as far as a beam of `width` finds them: by their summed log-probabilities, the decisions on the end among
 * them, without a length exponent. Texts that have ended stay in the beam with what they have.
 * @returns at most `width`, best first; empty once nobody waits
 */
export const beamCompletion = async (request: BeamRequest): Promise<Found[]> => {
  const { network, width, maxTokens, over } = request;
  const rows = new RowStep(network);
  try {
    let time = request.position + request.unread.length;
    const start = await readPrompt(request, rows);
    if (start === null) return [];
    let outputs = start.outputs;
    let live: Hypothesis[] = [{ node: null, total: 0, finish_reason: null, remaining: start.remaining }];
    let ended: Hypothesis[] = [];
    for (let t = 0; t < maxTokens && live.length > 0; t++) {
      const survivors = best(
        live.flatMap((hypothesis, row) => candidates(request, hypothesis, row, outputs, time)),
        ended,
        width,
      );
      ended = survivors.flatMap((each) => ('row' in each ? [] : [each]));
      const parents: number[] = [];
      const next: Hypothesis[] = [];
      for (const candidate of survivors) {
        if (!('row' in candidate)) continue;
        const grown = grow(request, live[candidate.row]!, candidate, outputs);
        if (grown.finish_reason) ended.push(grown);
        else {
          next.push(grown);
          parents.push(candidate.row);
        }
      }
      live = next;
      if (live.length === 0 || t + 1 === maxTokens) break;
      rows.follow(Int32Array.from(parents));
      outputs = await rows.run((row) => ({
        token: live[row]!.node!.score.token,
        position: time,
        remaining: share(network, live[row]!.remaining),
      }));
      time++;
      await nextTurn();
      if (over()) return [];
    }
    return [...ended, ...live.map((each) => ({ ...each, finish_reason: 'length' as const }))]
      .sort((a, b) => b.total - a.total)
      .map(({ node, total, finish_reason }) => ({
        scores: scoresOf(node),
        total,
        finish_reason: finish_reason!,
      }));
  } finally {
    rows.release();
  }
};

const share = ({ model }: Network, remaining: number | null): number | null =>
  remaining === null ? null : remaining / model.max_length!;

/** null: nobody waits any more. */
const readPrompt = async (
  { network, state, context, unread, position, hearKnown, over }: BeamRequest,
  rows: RowStep,
): Promise<{ outputs: RowOutputs; remaining: number | null } | null> => {
  rows.add(state, context);
  let outputs: RowOutputs | null = null;
  let remaining: number | null = null;
  for (let place = 0; place < unread.length; place++) {
    const input = {
      token: unread[place]!,
      position: position + place,
      remaining: share(network, remaining),
    };
    outputs = await rows.run(() => input);
    const ahead = unread.length - 1 - place;
    if (ahead === 0) break;
    const endings = outputs.endings[0] ?? null;
    hearKnown(place + 1, outputs.logits[0]!, endings);
    if (network.model.length === 'countdown')
      remaining = likeliestWay(
        countdownWays(network, endings!, remaining, position + place + 1, ahead),
      ).remaining;
    await nextTurn();
    if (over()) return null;
  }
  return { outputs: outputs ?? (await rows.silence()), remaining };
};

const likeliestWay = (ways: readonly Way[]): Way => ways.reduce((a, b) => (b.beside > a.beside ? b : a));

/** @param time tokens whose remaining length is decided then */
const countdownWays = (
  { model }: Network,
  endings: StateValues,
  remaining: number | null,
  time: number,
  ahead: number,
): Way[] => {
  if (!model.renew && remaining !== null) {
    const left = Math.max(ahead, remaining - 1);
    return [{ beside: 0, remaining: left, ends: left === 0 }];
  }
  const { atLeast, atMost } = remainingRange(ahead, time, model.max_length!);
  const ways = Array.from({ length: atMost - atLeast + 1 }, (_, k) => ({
    beside: logRemaining(endings, atLeast + k, atMost),
    remaining: atLeast + k,
    ends: atLeast + k === 0,
  }));
  if (!model.renew || ahead > 0) return ways;
  // Drawn anew at every token, a length is a means to what follows: the likeliest that goes on stands for all of them.
  const others = ways.filter(({ ends }) => !ends);
  return [...ways.filter(({ ends }) => ends), ...(others.length > 0 ? [likeliestWay(others)] : [])];
};

/** The likeliest ways on for one text. */
const candidates = (
  { network, tokenizer, adjustment, width }: BeamRequest,
  { total, remaining }: Hypothesis,
  row: number,
  outputs: RowOutputs,
  time: number,
): Candidate[] => {
  const raw = outputs.logits[row]!;
  const endings = outputs.endings[row] ?? null;
  const logits = Float64Array.from(
    Adjustment.isNothing(adjustment) ? raw : new Adjustment(adjustment).apply(raw),
  );
  const sum = logSum(logits);
  if (tokenizer.unknown !== null) logits[tokenizer.unknown] = Number.NEGATIVE_INFINITY;
  const found: Candidate[] = [];
  let ways: Way[] = [goesOn];
  if (network.model.length === 'bernoulli') {
    const x = endings![0]!;
    const beside = logSigmoid(x);
    found.push({ row, token: null, beside, remaining: null, ends: true, total: total + beside });
    ways = [{ ...goesOn, beside: logSigmoid(-x) }];
  }
  if (network.model.length === 'countdown') ways = countdownWays(network, endings!, remaining, time, 0);
  for (const token of likeliestTokens(logits, width)) {
    if (logits[token] === Number.NEGATIVE_INFINITY) continue;
    for (const way of ways) {
      const ends = way.ends || token === tokenizer.boundary;
      found.push({ ...way, row, token, ends, total: total + logits[token]! - sum + way.beside });
    }
  }
  return found;
};

/** The `width` best of what goes on and what has ended; of equal ones what came first. */
const best = (
  candidates: readonly Candidate[],
  ended: readonly Hypothesis[],
  width: number,
): (Candidate | Hypothesis)[] => [...ended, ...candidates].sort((a, b) => b.total - a.total).slice(0, width);

const textOf = ({ level, tokens, boundary }: Tokenizer, token: number): string => {
  if (token === boundary) return '';
  return level === 'byte' ? String.fromCharCode(token) : tokens[token]!;
};

const grow = (
  { tokenizer, stops, alternatives }: BeamRequest,
  { node, remaining: _, ...before }: Hypothesis,
  { row, token, beside, ends, remaining, total }: Candidate,
  outputs: RowOutputs,
): Hypothesis => {
  if (token === null) return { ...before, node, total, remaining, finish_reason: 'stop' };
  const logits = outputs.logits[row]!;
  // Bytes are compared as bytes.
  const asText = (stop: string): string =>
    tokenizer.level === 'byte' ? Buffer.from(stop).toString('latin1') : stop;
  const searched = (node?.tail ?? '') + textOf(tokenizer, token);
  const stopped = stops.some((stop) => searched.includes(asText(stop)));
  const longest = Math.max(0, ...stops.map((stop) => asText(stop).length));
  const own = { token, log_probability: logSoftmaxAt(logits, token) + beside };
  const score: TokenScore = {
    ...own,
    alternatives: alternatives === null ? null : alternativesOf(logits, alternatives, own, beside),
  };
  return {
    node: { parent: node, score, tail: longest > 0 ? searched.slice(-longest) : '' },
    total,
    remaining,
    finish_reason: ends || stopped ? 'stop' : null,
  };
};

const scoresOf = (node: Node | null): TokenScore[] => {
  const scores: TokenScore[] = [];
  for (let each = node; each; each = each.parent) scores.push(each.score);
  return scores.reverse();
};
