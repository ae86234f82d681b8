import type { Unfold } from '@unfold/client';
import { deleteOnLeaving } from '../../api.ts';
import { createExternal, type External } from '../../external.ts';
import type { ShownPiece } from './text-view.tsx';
import { surpriseTint } from './tints.ts';

/** What is asked of the sampler. */
export interface Sampling {
  temperature: number;
  top_p: number;
  top_k: number | null;
  max_tokens: number;
  seed: number | null;
  stop: string[];
}

/** A piece of a text: what was given to the model, or what one token of it made certain. */
export interface Piece extends ShownPiece {
  written: boolean;
  /** ln P of its token; null: not known. */
  logprob: number | null;
  /** The likeliest tokens in its place, and it among them, with ln P. */
  alternatives: readonly (readonly [token: string, logprob: number])[];
}

/** A point of a text that can be gone back to. */
export interface Mark {
  snapshot: string;
  session: string;
  /** How much of the text was there. */
  pieces: number;
}

/** A text: what the model was given and what it wrote, with the session that remembers it. */
export interface Draft {
  id: number;
  name: string;
  /** Null: nothing was read yet, or the session must be made anew. */
  session: string | null;
  /** Grows in place; `length` says how much of it is meant. */
  pieces: Piece[];
  length: number;
  marks: readonly Mark[];
  finish: 'stop' | 'length' | 'stopped' | null;
}

export interface WritingState {
  drafts: readonly Draft[];
  current: number;
  busy: boolean;
  error: unknown;
}

export interface Writing {
  state: External<WritingState>;
  /**
   * Gives the model more text to read, and has it go on. The text has the given part at once, and loses it again if the request fails before
   * anything was written after it.
   * @returns whether the text has grown
   */
  write(given: string, sampling: Sampling): Promise<boolean>;
  stop(): void;
  /** What is being written goes on with this instead. */
  change(sampling: Sampling): void;
  select(draft: number): void;
  /** A text of its own that begins with nothing. */
  begin(): void;
  fork(): Promise<void>;
  mark(): Promise<void>;
  restore(mark: Mark): Promise<void>;
  /** Lets go of every session, also while the page is left; the texts stay. */
  end(options?: { leaving: boolean }): void;
}

/** How long a session is kept that nobody uses. */
const sessionSeconds = 6 * 3600;
/** For how long tokens are read before they are shown. */
const shownMs = 30;

/** Lets the page draw and answer: what has already arrived would be read without a break. Nobody waits for a page that is not in sight. */
const drawn = (): Promise<void> =>
  new Promise((resolve) => (document.hidden ? resolve() : setTimeout(resolve)));

const seeds = 2 ** 32;

/**
 * A seed for what is written after so many pieces of a text that began with this one. The same again would draw once more what was drawn already;
 * with this, whoever does the same at the same places still gets the same text.
 */
export const laterSeed = (seed: number | null, pieces: number): number | null =>
  seed === null ? null : (seed + pieces) % seeds;

const emptyDraft = (id: number, name: string): Draft => ({
  id,
  name,
  session: null,
  pieces: [],
  length: 0,
  marks: [],
  finish: null,
});

export const textOf = ({ pieces, length }: Pick<Draft, 'pieces' | 'length'>): string =>
  pieces
    .slice(0, length)
    .map(({ text }) => text)
    .join('');

/**
 * Texts that one model writes, each in a session of its own. What is shown is what its session remembers: after a stop, when the server may be a
 * few tokens ahead of what arrived, the session is left and one that has read the shown text takes its place.
 */
export const createWriting = (client: Unfold, model: string, context: string | number[] | null): Writing => {
  const state = createExternal<WritingState>({
    drafts: [emptyDraft(1, 'Text 1')],
    current: 1,
    busy: false,
    error: null,
  });
  let lastId = 1;
  let stopper: AbortController | null = null;
  let wanted: Sampling | null = null;

  const current = (): Draft => {
    const { drafts, current: id } = state.get();
    return drafts.find((draft) => draft.id === id)!;
  };
  const update = (id: number, changes: Partial<Draft>): void => {
    const { drafts } = state.get();
    state.set({
      ...state.get(),
      drafts: drafts.map((draft) => (draft.id === id ? { ...draft, ...changes } : draft)),
    });
  };
  const draftOf = (id: number): Draft => state.get().drafts.find((draft) => draft.id === id)!;

  /** A session that has read all of the draft's text as it is now. */
  const ensureSession = async (id: number): Promise<string> => {
    const draft = draftOf(id);
    if (draft.session !== null) return draft.session;
    const text = textOf(draft);
    const { id: session } = await client.sessions.create({ model, context, ttl_seconds: sessionSeconds });
    if (text !== '') await client.completions.create({ model, session, prompt: text, max_tokens: 0 });
    update(id, { session });
    return session;
  };

  const forget = (session: string): void => void client.sessions.delete(session).catch(() => {});

  /** Lets go of a session that may be ahead of its text; marks keep theirs. */
  const leaveSession = (id: number): void => {
    const { session, marks } = draftOf(id);
    if (session !== null && !marks.some((mark) => mark.session === session)) forget(session);
    update(id, { session: null });
  };

  /** One answer. @returns how it ended; null: it was broken off */
  const stream = async (id: number, given: string, sampling: Sampling, signal: AbortSignal) => {
    // Takes the text as it is before the given part, which the request below has read.
    const ensured = ensureSession(id);
    const { pieces } = draftOf(id);
    if (given !== '')
      pieces.push({ text: given, tint: 'given', written: false, logprob: null, alternatives: [] });
    update(id, { length: pieces.length, finish: null });
    const session = await ensured;
    let finish: 'stop' | 'length' | null = null;
    let held: Pick<Piece, 'tint' | 'logprob' | 'alternatives'> | null = null;
    let shown = 0;
    const request = { model, session, prompt: given, logprobs: 5, ...sampling };
    for await (const chunk of client.completions.stream(request, { signal })) {
      const choice = chunk.choices[0];
      if (choice === undefined) continue;
      const { logprobs } = choice;
      if (logprobs && logprobs.tokens.length > 0) {
        const logprob = logprobs.token_logprobs.at(-1) ?? null;
        const alternatives = Object.entries(logprobs.top_logprobs.at(-1) ?? {}).sort(([, a], [, b]) => b - a);
        held = { tint: surpriseTint(logprob), logprob, alternatives };
      }
      if (choice.text !== '') {
        pieces.push({
          text: choice.text,
          written: true,
          ...(held ?? { tint: '', logprob: null, alternatives: [] }),
        });
        held = null;
      }
      finish = choice.finish_reason ?? finish;
      const now = performance.now();
      if (now - shown > shownMs || finish !== null) {
        update(id, { length: pieces.length });
        await drawn();
        shown = performance.now();
      }
    }
    update(id, { length: pieces.length });
    return finish;
  };

  const run = async (work: () => Promise<void>): Promise<void> => {
    if (state.get().busy) return;
    state.set({ ...state.get(), busy: true, error: null });
    try {
      await work();
    } catch (error) {
      state.set({ ...state.get(), error });
    } finally {
      state.set({ ...state.get(), busy: false });
    }
  };

  const writeOn = async (id: number, given: string, sampling: Sampling): Promise<void> => {
    let prompt = given;
    let left = sampling;
    const begun = draftOf(id);
    for (;;) {
      stopper = new AbortController();
      const { signal } = stopper;
      const before = draftOf(id).length;
      try {
        const finish = await stream(id, prompt, left, signal);
        update(id, { finish });
        return;
      } catch (error) {
        const { pieces } = draftOf(id);
        update(id, { length: pieces.length });
        leaveSession(id);
        if (!signal.aborted) {
          // What was refused would be refused in every later session as well.
          if (!pieces.slice(begun.length).some((piece) => piece.written))
            update(id, { ...begun, session: null, pieces: pieces.slice(0, begun.length) });
          throw error;
        }
        // Another temperature: the rest is written with it.
        const written = pieces.slice(before).filter((piece) => piece.written).length;
        const rest = left.max_tokens - written;
        if (wanted === null || rest < 1) {
          update(id, { finish: 'stopped' });
          return;
        }
        left = { ...wanted, max_tokens: rest, seed: laterSeed(wanted.seed, pieces.length - begun.length) };
        // The text has it already.
        prompt = '';
        wanted = null;
      } finally {
        stopper = null;
      }
    }
  };

  const add = (draft: Omit<Draft, 'id' | 'name'>): void => {
    lastId += 1;
    const made = { ...draft, id: lastId, name: `Text ${lastId}` };
    state.set({ ...state.get(), drafts: [...state.get().drafts, made], current: made.id });
  };

  return {
    state,
    async write(given, sampling) {
      const { id, length } = current();
      await run(() => writeOn(id, given, sampling));
      return draftOf(id).length > length;
    },
    stop() {
      wanted = null;
      stopper?.abort();
    },
    change(sampling) {
      if (stopper === null) return;
      wanted = sampling;
      stopper.abort();
    },
    select: (draft) => state.get().busy || state.set({ ...state.get(), current: draft }),
    begin: () => {
      if (!state.get().busy) add(emptyDraft(0, ''));
    },
    fork: () =>
      run(async () => {
        const draft = current();
        const session = await ensureSession(draft.id);
        const { id: forked } = await client.sessions.fork(session);
        const pieces = draft.pieces.slice(0, draft.length);
        add({ session: forked, pieces, length: pieces.length, marks: [], finish: draft.finish });
      }),
    mark: () =>
      run(async () => {
        const { id, length, marks } = current();
        const session = await ensureSession(id);
        const { id: snapshot } = await client.sessions.snapshots(session).create();
        update(id, { marks: [...marks, { snapshot, session, pieces: length }] });
      }),
    restore: (mark) =>
      run(async () => {
        const { id, session } = current();
        if (session === mark.session) await client.sessions.restore(session, mark.snapshot);
        else {
          const forked = await client.sessions.fork(mark.session, { snapshot: mark.snapshot });
          update(id, { session: forked.id });
        }
        const { pieces } = draftOf(id);
        update(id, { pieces: pieces.slice(0, mark.pieces), length: mark.pieces, finish: null });
      }),
    end({ leaving } = { leaving: false }) {
      wanted = null;
      stopper?.abort();
      const { drafts } = state.get();
      const sessions = drafts.flatMap(({ session, marks }) => [
        session,
        ...marks.map((mark) => mark.session),
      ]);
      for (const session of new Set(sessions))
        if (session !== null) leaving ? deleteOnLeaving(`/v1/sessions/${session}`) : forget(session);
      state.set({
        ...state.get(),
        drafts: drafts.map((draft) => ({ ...draft, session: null, marks: [] })),
      });
    },
  };
};
