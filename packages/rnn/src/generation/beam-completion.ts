import type { Tensor } from '@unfold/kernels';
import { nextTurn } from '../event-loop.ts';
import type { Network } from '../model/network.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import type { RowOutputs } from '../model/row-rooms.ts';
import { RowStep } from '../model/row-step.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { AdjustmentOptions } from './adjustment.ts';
import { BeamSurvivors, countdownWays, likeliestWay, type Survivor } from './beam-survivors.ts';
import type { TokenScore } from './choice-text.ts';
import { alternativesOf } from './sampled-stream.ts';

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

/**
 * The likeliest texts after a prompt, as far as a beam of `width` finds them: by their summed log-probabilities, the decisions on the end among
 * them, without a length exponent. Texts that have ended stay in the beam with what they have.
 * @returns at most `width`, best first; empty once nobody waits
 */
export const beamCompletion = async (request: BeamRequest): Promise<Found[]> => {
  const { network, width, maxTokens, over } = request;
  const rows = new RowStep(network);
  const beam = new BeamSurvivors(network, request.tokenizer, request.adjustment);
  const search = stopSearch(request);
  try {
    let time = request.position + request.unread.length;
    const start = await readPrompt(request, rows);
    if (start === null) return [];
    let outputs = start.outputs;
    let live: Hypothesis[] = [{ node: null, total: 0, finish_reason: null, remaining: start.remaining }];
    let ended: Hypothesis[] = [];
    for (let t = 0; t < maxTokens && live.length > 0; t++) {
      const survivors = beam.choose<Hypothesis>({ width, live, ended, outputs, time });
      ended = survivors.flatMap((each) => ('row' in each ? [] : [each]));
      const parents: number[] = [];
      const next: Hypothesis[] = [];
      for (const survivor of survivors) {
        if (!('row' in survivor)) continue;
        const grown = grow(request, search, live[survivor.row]!.node, survivor, outputs);
        if (grown.finish_reason) ended.push(grown);
        else {
          next.push(grown);
          parents.push(survivor.row);
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

const textOf = ({ level, tokens, boundary }: Tokenizer, token: number): string => {
  if (token === boundary) return '';
  return level === 'byte' ? String.fromCharCode(token) : tokens[token]!;
};

/** Tells whether a text contains a stop string, from what it ended with and what came. Bytes are compared as bytes. */
const stopSearch = ({ tokenizer, stops }: BeamRequest) => {
  const asText = (stop: string): string =>
    tokenizer.level === 'byte' ? Buffer.from(stop).toString('latin1') : stop;
  const texts = stops.map(asText);
  const longest = Math.max(0, ...texts.map(({ length }) => length));
  return (tail: string, token: number): { tail: string; stopped: boolean } => {
    if (longest === 0) return { tail: '', stopped: false };
    const searched = tail + textOf(tokenizer, token);
    return { tail: searched.slice(-longest), stopped: texts.some((text) => searched.includes(text)) };
  };
};

type StopSearch = ReturnType<typeof stopSearch>;

const grow = (
  { alternatives }: BeamRequest,
  search: StopSearch,
  node: Node | null,
  { row, token, way, log_probability, total }: Survivor,
  outputs: RowOutputs,
): Hypothesis => {
  const { remaining, beside, ends } = way;
  if (token === null) return { node, total, remaining, finish_reason: 'stop' };
  const { tail, stopped } = search(node?.tail ?? '', token);
  const own = { token, log_probability };
  const score: TokenScore = {
    ...own,
    alternatives:
      alternatives === null ? null : alternativesOf(outputs.logits[row]!, alternatives, own, beside),
  };
  return {
    node: { parent: node, score, tail },
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
