import type { StateValues } from '../model/recurrent-state.ts';
import type { ChoiceText } from './choice-text.ts';
import type { EndingState } from './endings.ts';
import type { SessionState } from './session-state.ts';

/** Steps between two states that are kept. */
const keptEvery = 32;

/**
 * What a stream of a session was at each of its tokens: some states, and the tokens between. A session may have to go back, to what its reader
 * had taken when it went away, or to before a stop string; tokens that a kept state has not read yet go into the session's own.
 */
export class SessionRecord {
  readonly #from: SessionState | null;
  readonly #context: number[] | null;
  readonly #opened: readonly number[];
  /** Tokens from the first kept state on, and what each is read with. */
  readonly #tokens: number[] = [];
  readonly #remaining: (number | null)[] = [];
  /** How many of them were known before the first draw. */
  #known = 0;
  #position = 0;
  /** Tokens that the stream has read. */
  #read = 0;
  #kept: { read: number; state: StateValues }[];
  /** After the prompt, and after each drawn token. */
  readonly #endings: EndingState[] = [];
  #end: { returned: number; open: readonly number[] } | null = null;

  /**
   * @param state what the stream starts with
   * @param opened ids before the first draw whose character is not complete
   */
  constructor(
    from: SessionState | null,
    context: number[] | null,
    state: StateValues,
    opened: readonly number[],
  ) {
    this.#opened = opened;
    this.#from = from;
    this.#context = context;
    this.#kept = [{ read: 0, state }];
  }

  begin(unread: ArrayLike<number>, position: number): void {
    for (let k = 0; k < unread.length; k++) this.#tokens.push(unread[k]!);
    this.#known = unread.length;
    this.#position = position;
  }

  read(remaining: number | null): void {
    this.#remaining[this.#read++] = remaining;
  }

  /** The first token is about to be drawn. */
  start(ending: EndingState): void {
    this.#endings.push(ending);
  }

  drew(token: number, ending: EndingState): void {
    this.#tokens.push(token);
    this.#endings.push(ending);
  }

  get wantsState(): boolean {
    return this.#read > 0 && this.#read % keptEvery === 0;
  }

  keep(state: StateValues): void {
    this.#kept.push({ read: this.#read, state });
  }

  /** The stream is over. */
  end(reason: 'stop' | 'length', text: ChoiceText): void {
    const drawn = this.#tokens.length - this.#known;
    this.#end =
      reason === 'length' ? { returned: drawn, open: text.open } : { returned: text.returned, open: [] };
  }

  /** The reader has so many drawn tokens: the session never goes back before them. */
  forget(returned: number): void {
    const safe = this.#known + returned - 1;
    const first = this.#kept.findLastIndex(({ read }) => read <= safe);
    if (first > 0) this.#kept = this.#kept.slice(first);
  }

  /** @param returned drawn tokens that the reader has; null: all that it was given by the stream's end */
  state(returned: number | null): SessionState {
    const count = returned ?? this.#end?.returned ?? 0;
    const end = this.#known + count;
    const { read, state } = this.#kept.findLast((kept) => kept.read < end || kept.read === 0)!;
    const atEnd = returned === null ? this.#end?.open : null;
    const ending = this.#endings[count] ?? this.#from?.ending ?? { draws: 0, time: 0, remaining: null };
    return {
      state,
      pending: this.#tokens.slice(read, end).map((token, k) => ({
        token,
        remaining: this.#remaining[read + k] ?? null,
      })),
      position: this.#position + read,
      drawn: (this.#from?.drawn ?? 0) + count,
      ending,
      counts: this.#countsUpTo(end),
      open: [...(count === 0 ? this.#opened : (atEnd ?? []))],
      context: this.#context,
    };
  }

  #countsUpTo(end: number): SessionState['counts'] {
    const counts = new Map(this.#from?.counts);
    for (const token of this.#tokens.slice(this.#known, end)) counts.set(token, (counts.get(token) ?? 0) + 1);
    return [...counts];
  }
}
