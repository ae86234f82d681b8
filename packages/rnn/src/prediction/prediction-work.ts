import type { Network } from '../model/network.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import { atInput } from '../prediction-input.ts';
import { type Chunk, ChunkReader, chunkSteps, type ReadRow, turnTokens } from '../rows/chunk-reader.ts';
import type { QueuedRow, RowWork } from '../rows/row-queue.ts';

/** What a network said of a chunk of a row. */
export interface Heard {
  steps: number;
  /** After them. */
  state: StateValues;
  /** [T,V] of these steps, or [V] where there is one output a sequence: probabilities of what is chosen, their logarithms where they are fed back. */
  outputs: StateValues;
}

/** An input that is answered for. */
export interface PredictionRow extends QueuedRow {
  /** Its place among the many of its call; null: it is the only one. */
  readonly place: number | null;
  /** How it is read on: in one row, or in one for each answer that is followed. */
  rows(): ReadRow[];
  /** @param heard by row @returns whether it has ended @throws what its call fails with */
  hear(heard: readonly Heard[]): boolean;
}

/** Rows that are read at once, but for an input that takes more by itself. */
const mostRows = 16;

const longestFirst = (rows: readonly ReadRow[]): number => rows[0]!.ahead;

/** Answers for the inputs of all calls side by side. */
export class PredictionWork implements RowWork<PredictionRow> {
  readonly #network: Network;
  readonly #reader: ChunkReader;

  constructor(network: Network) {
    this.#network = network;
    this.#reader = new ChunkReader(network);
  }

  joins(group: readonly PredictionRow[], input: PredictionRow): boolean {
    const read = group.map((each) => each.rows());
    const rows = input.rows();
    const count = read.reduce((sum, { length }) => sum + length, rows.length);
    if (count > mostRows) return false;
    if (this.#reader.sameSteps && rows[0]!.position !== read[0]![0]!.position) return false;
    if (!this.#network.model.bidirectional) return true;
    // What is read both ways is read without a pause.
    const longest = Math.max(longestFirst(rows), ...read.map(longestFirst));
    return count * longest <= chunkSteps(this.#network);
  }

  async advance(group: readonly PredictionRow[]): Promise<PredictionRow[]> {
    const inputs = group
      .map((input) => ({ input, rows: input.rows() }))
      .sort((a, b) => longestFirst(b.rows) - longestFirst(a.rows));
    const rows = inputs.flatMap((each) => each.rows);
    let outputs: StateValues[] = [];
    const tokens = this.#network.model.bidirectional ? null : turnTokens(this.#network, rows.length);
    const chunks = await this.#reader.read(rows, tokens, async (chunk) => {
      outputs = await this.#outputs(chunk, rows.length);
    });
    const heard = chunks.map((chunk, n) => ({ ...chunk, outputs: outputs[n]! }));
    const left = new Set<PredictionRow>();
    let first = 0;
    for (const { input, rows } of inputs) {
      const own = heard.slice(first, first + rows.length);
      first += rows.length;
      const { owner, place } = input;
      try {
        if (input.hear(own)) owner.done();
        else left.add(input);
      } catch (error) {
        owner.fail(place === null ? error : atInput(place, error));
      }
    }
    return group.filter((input) => left.has(input));
  }

  /** By row, see `Heard`. */
  async #outputs({ pass, hidden, steps, rows: N, lengths }: Chunk, rows: number): Promise<StateValues[]> {
    const { backend, shape } = this.#network;
    const V = shape.output.size;
    const end = shape.outputAt === 'end';
    const all = backend.createTensor(end ? [N, V] : [steps, N, V]);
    try {
      pass.logits(hidden, all);
      if (shape.loss === 'softmax') {
        const call = { logits: all, output: all };
        if (shape.feedback) backend.logSoftmax(call);
        else backend.softmax(call);
      }
      const values = (await backend.download(all)) as StateValues;
      return Array.from({ length: rows }, (_, n) => {
        const own = new (values.constructor as Float32ArrayConstructor)(end ? V : lengths[n]! * V);
        for (let t = 0; t < own.length / V; t++)
          own.set(values.subarray((t * N + n) * V, (t * N + n + 1) * V), t * V);
        return own;
      });
    } finally {
      backend.release(all);
    }
  }

  release(): void {
    this.#reader.release();
  }
}
