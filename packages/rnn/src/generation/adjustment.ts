/** What a call adds to logits before they are sampled: a bias by token, and penalties for what was already written. */
export interface AdjustmentOptions {
  /** By token id, in nats: −100 or less bans it, 100 or more leaves nothing but such tokens. */
  logit_bias: ReadonlyMap<number, number>;
  frequency_penalty: number;
  presence_penalty: number;
}

const bans = -100;
const forces = 100;

/** Changes logits as OpenAI documents it: μ[v] ← μ[v] + bias[v] − c[v] · frequency − (c[v] > 0) · presence, c[v] counting what was drawn so far. */
export class Adjustment {
  readonly #options: AdjustmentOptions;
  readonly #forced: ReadonlySet<number> | null;
  readonly #counts: Map<number, number>;
  #room = new Float64Array(0);

  /** @param counts of an earlier part of the text */
  constructor(options: AdjustmentOptions, counts: Iterable<readonly [number, number]> = []) {
    const forced = [...options.logit_bias].filter(([, bias]) => bias >= forces).map(([token]) => token);
    this.#options = options;
    this.#forced = forced.length > 0 ? new Set(forced) : null;
    this.#counts = new Map(counts);
  }

  /** Whether it never changes anything. */
  static isNothing({ logit_bias, frequency_penalty, presence_penalty }: AdjustmentOptions): boolean {
    return logit_bias.size === 0 && frequency_penalty === 0 && presence_penalty === 0;
  }

  /** The changed logits, valid until the next call. */
  apply(logits: ArrayLike<number>): Float64Array {
    if (this.#room.length !== logits.length) this.#room = new Float64Array(logits.length);
    const { logit_bias, frequency_penalty, presence_penalty } = this.#options;
    const changed = this.#room;
    if (this.#forced) {
      changed.fill(Number.NEGATIVE_INFINITY);
      for (const token of this.#forced) changed[token] = logits[token]! + logit_bias.get(token)!;
    } else {
      changed.set(logits);
      for (const [token, bias] of logit_bias)
        changed[token] = bias <= bans ? Number.NEGATIVE_INFINITY : changed[token]! + bias;
    }
    if (frequency_penalty !== 0 || presence_penalty !== 0)
      for (const [token, count] of this.#counts)
        changed[token]! -= count * frequency_penalty + presence_penalty;
    return changed;
  }

  count(token: number): void {
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }
}
