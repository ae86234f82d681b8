import type { KeptState, SessionOwner } from '@unfold/store';
import type { CallSignal } from '../http/gone-signal.ts';
import { endOf } from '../http/restarting.ts';
import type { Chunks, CompletionChunk, CompletionOptions, CompletionResult } from '../inference/protocol.ts';
import type { HeldSession, SessionLeases } from './session-leases.ts';

type Written = AsyncGenerator<CompletionChunk, CompletionResult>;

interface SessionCall {
  leases: SessionLeases;
  owner: SessionOwner;
  session: string;
  /** Aborted when the client is gone or the server stops. */
  signal: CallSignal;
  /** Whether what was written before an abort has been answered: of a whole answer, nothing has. */
  streamed: boolean;
  /** Goes on from the session's state. */
  run(from: Pick<CompletionOptions, 'session' | 'context'>): Chunks;
}

/** What is kept after a call; null: nothing of it was answered, so that nothing happened. */
const kept = (call: SessionCall, { session }: CompletionResult): KeptState | null =>
  call.signal.aborted && !call.streamed ? null : session;

async function* write(call: SessionCall, held: HeldSession): Written {
  // From the very beginning, prompts that were read before need not be read again.
  const state = held.tokens === 0 ? null : held.state;
  const chunks = call.run({ session: { state }, context: held.context });
  let last: CompletionChunk | null = null;
  try {
    let step = await chunks.next();
    for (; !step.done; step = await chunks.next())
      if (step.value.finish_reason === null) yield step.value;
      else last = step.value;
    const reached = kept(call, step.value);
    if (reached === null) throw endOf(call.signal);
    await held.commit(reached);
    if (last !== null) yield last;
    return step.value;
  } finally {
    await chunks.return?.();
  }
}

/**
 * A completion on top of a session. The lease is taken when the first chunk is asked for, and the state is committed once: when the text
 * has ended, before its last chunk is given, so that whoever has seen that may use the session again; or when the client has gone, at what
 * it was given. Whatever fails leaves the session where it stood.
 */
export async function* completeInSession(call: SessionCall): Written {
  const held = await call.leases.take(call.owner, call.session);
  try {
    return yield* write(call, held);
  } finally {
    await held.release();
  }
}
