import { nextTurn } from '../event-loop.ts';
import { FairQueue } from './fair-queue.ts';
import type { RowCall } from './row-call.ts';

export const closedError = (): Error => new Error('Expected an open model, but it was closed.');

/** What a call wants computed for one of its inputs. */
export interface QueuedRow {
  readonly owner: RowCall;
}

/** What rows have done for them. */
export interface RowWork<Row extends QueuedRow> {
  /** Whether `row` may be advanced with those of the group, which is not empty. */
  joins(group: readonly Row[], row: Row): boolean;
  /** Advances rows side by side, by about as much as may pass between two turns of the event loop. @returns those that have not ended */
  advance(group: readonly Row[]): Promise<readonly Row[]>;
  /** Frees the backend's memory that is not needed while nobody waits. */
  release(): void;
}

/**
 * The inputs of all calls that one network answers beside its streams. Each turn advances some of them side by side, one of each call in turn,
 * so that calls join one another, and a short one does not wait for a long one's end. Of one call the first rows go to their end before the next
 * ones begin. A row's numbers do not depend on what is beside it.
 */
export class RowQueue<Row extends QueuedRow> {
  readonly #work: RowWork<Row>;
  readonly #rows = new FairQueue<RowCall, Row>();
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(work: RowWork<Row>) {
    this.#work = work;
  }

  /** Has them advanced until they end; what goes wrong in one of them fails its owner alone. */
  add(rows: readonly Row[]): void {
    if (this.#closed) throw closedError();
    for (const row of rows) this.#rows.push(row.owner, row);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    do {
      // Messages, cancellations and streams have their turn, and calls that came together begin together.
      await nextTurn();
      this.#rows.dropOwners(({ over }) => over);
      if (this.#closed) break;
      await this.#advance(this.#take());
    } while (this.#rows.size > 0);
    this.#work.release();
    this.#running = null;
  }

  #take(): Row[] {
    const group: Row[] = [];
    const joins = (_: RowCall, row: Row): boolean => group.length === 0 || this.#work.joins(group, row);
    for (let row = this.#rows.take(joins); row !== undefined; row = this.#rows.take(joins)) group.push(row);
    return group;
  }

  async #advance(group: readonly Row[]): Promise<void> {
    if (group.length === 0) return;
    try {
      const left = await this.#work.advance(group);
      for (const row of left.toReversed()) this.#rows.putBack(row.owner, row);
    } catch (error) {
      for (const { owner } of group) owner.fail(error);
    }
  }

  /** Gives up what is on its way, and frees the backend's memory once nothing runs. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const owner of this.#rows.owners()) owner.fail(closedError());
    if (this.#running) await this.#running;
    // Those that were being advanced.
    for (const owner of this.#rows.owners()) owner.fail(closedError());
  }
}
