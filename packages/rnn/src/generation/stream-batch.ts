import type { Tensor } from '@unfold/kernels';
import { nextTurn } from '../event-loop.ts';
import type { Network } from '../model/network.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import { type RowInput, RowStep } from '../model/row-step.ts';
import { chunkSteps } from '../rows/chunk-reader.ts';
import { FairQueue } from '../rows/fair-queue.ts';
import { closedError } from '../rows/row-queue.ts';
import type { Owner } from './owner.ts';
import { type Prompt, PromptQueue } from './prompt-queue.ts';
import type { Reading } from './prompt-reader.ts';

/** A stream of text as the batch sees it. */
export interface Stream {
  readonly owner: Owner;
  readonly context: Reading['context'];
  /** Whether there is a token to read; without one it is asked before anything was read. */
  readonly reads: boolean;
  /** Whether its reader waits for what is drawn after the next step, the first of all. */
  readonly beginsNow: boolean;
  /** What it reads next. */
  input(): RowInput;
  /** Hears what the network says after that. @returns whether the stream is over */
  hear(logits: StateValues, endings: StateValues | null): boolean;
  /** Whether it wants its state after the step. */
  readonly wantsState: boolean;
  keep(state: StateValues): void;
}

interface Waiting {
  stream: Stream;
  state: StateValues;
}

/** Streams that are stepped at once. */
const mostRows = 256;

/** Streams must be so many times as many as newcomers among them for these to have a step of their own first: it costs about what it saves them. */
const othersPerNewcomer = 8;

/** What a stream reads whose input could not be told; nobody hears what comes of it. */
const nothing: RowInput = { token: 0, position: 0, remaining: null };

/**
 * Everything that one network writes at a time (continuous batching, as Orca has it: Yu et al. 2022). Streams advance together, one batched
 * step a token, and join and leave at every step. Between two steps about as much is read of new prompts as a step itself costs, so that a
 * long prompt stalls nobody. A few newcomers among many have their first token by a small step of their own, before the large one. A stream's
 * numbers do not depend on what runs beside it.
 */
export class StreamBatch {
  readonly #network: Network;
  readonly #rows: RowStep;
  /** By row. */
  readonly #streams: Stream[] = [];
  readonly #waiting = new FairQueue<Owner, Waiting>();
  readonly #prompts: PromptQueue;
  readonly #stepTokens: number;
  /** Of the stream that joins. */
  #context: Tensor | null = null;
  #running: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  /** Whether something has changed since the turn began. */
  #woken = false;
  #closed = false;
  readonly #beside = new Set<Promise<unknown>>();

  readonly #stepped: (rows: number) => void;

  /** @param stepped told after each step how many streams advanced together */
  constructor(network: Network, stepped: (rows: number) => void = () => {}) {
    this.#network = network;
    this.#stepped = stepped;
    this.#rows = new RowStep(network);
    this.#prompts = new PromptQueue(network);
    this.#stepTokens = chunkSteps(network);
  }

  /** Memory beside the backend's. */
  get hostBytes(): number {
    return this.#rows.hostBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The state before the first token: at once where it is known. */
  firstState(context: Reading['context']): StateValues | Promise<StateValues> {
    if (this.#closed) throw closedError();
    const state = this.#prompts.firstState(context);
    return state instanceof Promise ? this.beside(() => state) : state;
  }

  /** Work on the network beside the steps, which `close` waits for: it has to end soon once the batch is closed. */
  async beside<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw closedError();
    const running = work();
    this.#beside.add(running);
    try {
      return await running;
    } finally {
      this.#beside.delete(running);
    }
  }

  /** Has a prompt read, and its owner's streams started then. */
  read(prompt: Prompt): void {
    this.#prompts.add(prompt);
    this.wake();
  }

  start(stream: Stream, state: StateValues): void {
    this.#waiting.push(stream.owner, { stream, state });
    this.wake();
  }

  /** Told when an owner is ready again, or over. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
    this.#wake = null;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      // What came between the last look and now was only told to a run that had ended.
      if (!this.#closed && !this.#idle) this.wake();
    });
  }

  get #idle(): boolean {
    return this.#rows.rows + this.#waiting.size + this.#prompts.size === 0;
  }

  async #run(): Promise<void> {
    while (!this.#closed && !this.#idle) {
      try {
        await this.#turn();
      } catch (error) {
        this.#failAll(error);
      }
      // Messages, cancellations and other models have their turn.
      await nextTurn();
    }
  }

  async #turn(): Promise<void> {
    this.#woken = false;
    await this.#leave();
    const read = await this.#prompts.readSome(Math.max(this.#stepTokens, this.#rows.rows));
    if (read) {
      // Whose prompt was read to its end joins this very step: a newcomer's first token does not wait for another one.
      await nextTurn();
      await this.#leave();
    }
    await this.#join();
    const newcomers = this.#newcomers();
    if (newcomers > 0 && this.#rows.rows > othersPerNewcomer * newcomers) {
      await this.#step(this.#rows.rows - newcomers);
      // What they have said leaves before the step of all.
      await nextTurn();
      await this.#leave();
    }
    if (this.#rows.rows > 0) await this.#step(0);
    else if (!read && !this.#idle && !this.#woken && !this.#closed)
      await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** Streams that nobody wants go; those whose readers are slow wait outside. */
  async #leave(): Promise<void> {
    this.#waiting.dropOwners(({ over }) => over);
    this.#prompts.leave();
    for (let row = this.#streams.length - 1; row >= 0; row--) {
      const stream = this.#streams[row]!;
      const { over, ready } = stream.owner;
      if (!over && ready) continue;
      if (over) this.#remove(row);
      else await this.#park(row);
    }
  }

  async #park(row: number): Promise<void> {
    const stream = this.#streams[row]!;
    this.#waiting.push(stream.owner, { stream, state: await this.#rows.read(row) });
    this.#remove(row);
  }

  #remove(row: number): void {
    this.#rows.remove(row);
    const last = this.#streams.pop()!;
    if (row < this.#streams.length) this.#streams[row] = last;
  }

  /** Who waits joins while there are rows, and then for one of the owner that has most, until their shares are even. */
  async #join(): Promise<void> {
    for (;;) {
      const full = this.#streams.length >= mostRows && this.#waiting.size > 0;
      const held = full ? this.#rowsByOwner() : null;
      const most = held && [...held].reduce((a, b) => (b[1] > a[1] ? b : a));
      if (most === null && this.#streams.length >= mostRows) return;
      const next = this.#waiting.take(
        (owner) => owner.ready && (most === null || (held!.get(owner) ?? 0) + 1 < most[1]),
      );
      if (next === undefined) return;
      const { stream, state } = next;
      try {
        if (most) await this.#park(this.#streams.findLastIndex(({ owner }) => owner === most[0]));
        if (!stream.reads) {
          const { logits, endings } = await this.#rows.silence();
          if (stream.hear(logits[0]!, endings[0] ?? null)) continue;
        }
        this.#rows.add(state, stream.context && this.contextTensor(stream.context));
        this.#streams.push(stream);
      } catch (error) {
        stream.owner.fail(error);
      }
    }
  }

  #rowsByOwner(): Map<Owner, number> {
    const held = new Map<Owner, number>();
    for (const { owner } of this.#streams) held.set(owner, (held.get(owner) ?? 0) + 1);
    return held;
  }

  /** A context on the backend, valid until the next call. */
  contextTensor(context: NonNullable<Reading['context']>): Tensor {
    const { backend, shape } = this.#network;
    this.#context ??=
      shape.context!.kind === 'tokens'
        ? backend.createTensor([1], 'int')
        : backend.createTensor([1, shape.context!.size]);
    backend.upload(this.#context, [...context]);
    return this.#context;
  }

  /** Streams in the last rows whose readers wait for the first token. */
  #newcomers(): number {
    const streams = this.#streams;
    return streams.length - 1 - streams.findLastIndex(({ beginsNow }) => !beginsNow);
  }

  /** @param first row; those before it stay where they are */
  async #step(first: number): Promise<void> {
    const streams = this.#streams;
    const { logits, endings } = await this.#rows.run((row) => this.#inputOf(streams[row]!), first);
    this.#stepped(streams.length - first);
    // From the last row on, so that the row which takes a leaving one's place has been heard.
    for (let row = streams.length - 1; row >= first; row--) {
      const stream = streams[row]!;
      if (stream.wantsState) stream.keep(await this.#rows.read(row));
      if (this.#hear(stream, logits[row - first]!, endings[row - first] ?? null)) this.#remove(row);
    }
  }

  /** What goes wrong in one stream ends its owner, not whoever is stepped beside it. */
  #inputOf(stream: Stream): RowInput {
    try {
      return stream.input();
    } catch (error) {
      stream.owner.fail(error);
      return nothing;
    }
  }

  #hear(stream: Stream, logits: StateValues, endings: StateValues | null): boolean {
    if (stream.owner.over) return true;
    try {
      return stream.hear(logits, endings);
    } catch (error) {
      stream.owner.fail(error);
      return true;
    }
  }

  #failAll(error: unknown): void {
    const owners = new Set([
      ...this.#streams.map(({ owner }) => owner),
      ...this.#waiting.owners(),
      ...this.#prompts.owners(),
    ]);
    this.#rows.clear();
    this.#streams.length = 0;
    this.#waiting.dropOwners(() => true);
    this.#prompts.clear();
    for (const owner of owners) owner.fail(error);
  }

  /** Frees the backend's memory once the step and whatever else runs has ended; whatever is still on its way is given up. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake?.();
    // Where nothing runs it is free at once.
    if (this.#running) await this.#running;
    if (this.#beside.size > 0) await Promise.allSettled(this.#beside);
    this.#rows.release();
    this.#prompts.release();
    if (this.#context) this.#network.backend.release(this.#context);
  }
}
