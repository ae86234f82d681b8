import type { Network } from '../model/network.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import type { RowOutputs } from '../model/row-rooms.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { Adjustment, type AdjustmentOptions } from './adjustment.ts';
import { logSigmoid, remainingRange } from './endings.ts';
import { logRemaining } from './remaining-length.ts';
import { logSum } from './sampler.ts';

/** What the end may be decided on at a token. */
export interface Way {
  /** How it was decided on, in nats. */
  beside: number;
  /** Of a countdown: tokens that are left; null: not known. */
  remaining: number | null;
  ends: boolean;
}

/** How one text goes on. */
export interface Survivor {
  /** Of the text. */
  row: number;
  /** null: the text ends without another one. */
  token: number | null;
  way: Way;
  /** Of the token under the network itself and of the way, in nats. */
  log_probability: number;
  /** Summed, of the whole text. */
  total: number;
}

const goesOn: Way = { beside: 0, remaining: null, ends: false };

export const likeliestWay = (ways: readonly Way[]): Way =>
  ways.reduce((a, b) => (b.beside > a.beside ? b : a));

/** @param time tokens whose remaining length is decided then */
export const countdownWays = (
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

/** The highest totals that were offered, at most `width`, the highest first; of equal ones what came first. */
class Best<T> {
  readonly #width: number;
  readonly #totals: Float64Array;
  readonly items: T[] = [];

  constructor(width: number) {
    this.#width = width;
    this.#totals = new Float64Array(width);
  }

  /** What a total must exceed to be taken; NaN, which nothing has to, while there is room. */
  get bar(): number {
    return this.items.length < this.#width ? Number.NaN : this.#totals[this.#width - 1]!;
  }

  /** @param total above the bar */
  add(total: number, item: T): void {
    if (this.items.length === this.#width) this.items.pop();
    let place = this.items.length;
    for (; place > 0 && total > this.#totals[place - 1]!; place--)
      this.#totals[place] = this.#totals[place - 1]!;
    this.#totals[place] = total;
    this.items.splice(place, 0, item);
  }
}

export interface BeamStep<Ended> {
  width: number;
  /** Of each row: the summed log-probability of its text, and of a countdown what is left. */
  live: readonly { total: number; remaining: number | null }[];
  /** Texts that have ended already, which stay if they are among the best. */
  ended: readonly Ended[];
  outputs: RowOutputs;
  /** Tokens before the one that is chosen. */
  time: number;
}

/** Chooses, step after step, the texts that a beam follows. */
export class BeamSurvivors {
  readonly #network: Network;
  readonly #tokenizer: Tokenizer;
  readonly #adjustment: Adjustment | null;

  constructor(network: Network, tokenizer: Tokenizer, adjustment: AdjustmentOptions) {
    this.#network = network;
    this.#tokenizer = tokenizer;
    this.#adjustment = Adjustment.isNothing(adjustment) ? null : new Adjustment(adjustment);
  }

  /** The `width` best of what has ended and of all ways on, best first; of equal ones what ended before, then the lower row. */
  choose<Ended extends { total: number }>(step: BeamStep<Ended>): (Survivor | Ended)[] {
    const best = new Best<Survivor | Ended>(step.width);
    for (const each of step.ended) if (!(each.total <= best.bar)) best.add(each.total, each);
    for (let row = 0; row < step.live.length; row++) this.#offer(step, row, best);
    return best.items;
  }

  #offer<Ended>({ live, outputs, time }: BeamStep<Ended>, row: number, best: Best<Survivor | Ended>): void {
    const { total, remaining } = live[row]!;
    const { unknown, boundary } = this.#tokenizer;
    const raw = outputs.logits[row]!;
    const rawSum = logSum(raw);
    const logits = this.#adjustment?.apply(raw) ?? raw;
    const sum = this.#adjustment ? logSum(logits) : rawSum;
    const endings = outputs.endings[row] ?? null;
    let bar = best.bar;
    if (this.#network.model.length === 'bernoulli') {
      const beside = logSigmoid(endings![0]!);
      const way = { ...goesOn, beside, ends: true };
      if (!(total + beside <= bar))
        best.add(total + beside, { row, token: null, way, log_probability: beside, total: total + beside });
      bar = best.bar;
    }
    for (const way of this.#ways(endings, remaining, time)) {
      const base = total - sum + way.beside;
      for (let token = 0; token < logits.length; token++) {
        const reached = base + logits[token]!;
        if (reached <= bar || token === unknown || logits[token] === Number.NEGATIVE_INFINITY) continue;
        const log_probability = raw[token]! - rawSum + way.beside;
        const ends = way.ends || token === boundary;
        best.add(reached, {
          row,
          token,
          way: ends ? { ...way, ends } : way,
          log_probability,
          total: reached,
        });
        bar = best.bar;
      }
    }
  }

  #ways(endings: StateValues | null, remaining: number | null, time: number): readonly Way[] {
    switch (this.#network.model.length) {
      case 'bernoulli':
        return [{ ...goesOn, beside: logSigmoid(-endings![0]!) }];
      case 'countdown':
        return countdownWays(this.#network, endings!, remaining, time, 0);
      default:
        return [goesOn];
    }
  }
}
