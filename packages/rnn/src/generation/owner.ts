/** Who streams belong to: everything of one call ends together, and no call keeps another out. */
export interface Owner {
  /** Whether its reader takes more; a stream whose reader does not waits outside. */
  readonly ready: boolean;
  /** Whether its reader hears of every token as it comes, and so waits for the first one. */
  readonly streamed: boolean;
  /** Whether nobody wants its streams any more: they leave before the next step. */
  readonly over: boolean;
  /** The network failed, or one of its streams did: it is over. */
  fail(error: unknown): void;
}
