import type { Network } from '../model/network.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import { FairQueue } from '../rows/fair-queue.ts';
import type { Owner } from './owner.ts';
import { largestGroup, PromptReader, type Reading } from './prompt-reader.ts';

/** A text on its way to the first token. */
export interface Prompt extends Reading {
  readonly owner: Owner;
  /** A chunk was read. */
  progressed(): void;
  /** All of it was read. */
  done(): void;
}

/** The prompts of all calls to one network, read a chunk of some at a time, one of each call in turn. */
export class PromptQueue {
  readonly #network: Network;
  readonly #reader: PromptReader;
  readonly #prompts = new FairQueue<Owner, Prompt>();

  constructor(network: Network) {
    this.#network = network;
    this.#reader = new PromptReader(network);
  }

  get size(): number {
    return this.#prompts.size;
  }

  firstState(context: Reading['context']): StateValues | Promise<StateValues> {
    return this.#reader.firstState(context);
  }

  add(prompt: Prompt): void {
    this.#prompts.push(prompt.owner, prompt);
  }

  /** Those that nobody waits for go. */
  leave(): void {
    this.#prompts.dropOwners(({ over }) => over);
  }

  clear(): void {
    this.#prompts.dropOwners(() => true);
  }

  owners(): Owner[] {
    return this.#prompts.owners();
  }

  /** @param tokens about how many may be read @returns whether anything was */
  async readSome(tokens: number): Promise<boolean> {
    const group = this.#take();
    if (group.length === 0) return false;
    try {
      await this.#reader.read(group, tokens);
    } catch (error) {
      for (const { owner } of group) owner.fail(error);
      return true;
    }
    for (const prompt of group) {
      try {
        prompt.progressed();
        if (prompt.read < prompt.until) this.add(prompt);
        else prompt.done();
      } catch (error) {
        prompt.owner.fail(error);
      }
    }
    return true;
  }

  /** Prompts that are read side by side: where each step has statistics of its own, and of those that hear what is expected, one. */
  #take(): Prompt[] {
    const first = this.#prompts.take(() => true);
    if (first === undefined) return [];
    const group = [first];
    if (first.hear || this.#network.statistics.some((each) => each !== null)) return group;
    const others: Prompt[] = [];
    while (group.length < largestGroup) {
      const next = this.#prompts.take(() => true);
      if (next === undefined) break;
      (next.hear ? others : group).push(next);
    }
    for (const other of others) this.add(other);
    return group;
  }

  release(): void {
    this.#reader.release();
  }
}
