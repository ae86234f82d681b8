import type { StateValues } from '../model/recurrent-state.ts';
import type { EndingState } from './endings.ts';

/** A stream of text between two tokens: all that it takes to go on as if it had never stopped. */
export interface SessionState {
  /** The network's, after what it read. */
  state: StateValues;
  /** Tokens that belong to the text but were not read yet, and the countdown each is read with (null: none, or not known). */
  pending: { token: number; remaining: number | null }[];
  /** t of the next token that is read. */
  position: number;
  /** Tokens drawn so far: the place of the next draw in a seed's stream. */
  drawn: number;
  ending: EndingState;
  /** How often each token was drawn, which penalties count. */
  counts: [token: number, count: number][];
  /** The last tokens of the text, where they belong to a character whose bytes are not all there. */
  open: number[];
  /** What the text is conditioned on, as the network reads it; null: nothing. */
  context: number[] | null;
}
