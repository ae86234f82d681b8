import { createHash } from 'node:crypto';
import type { StateValues } from '../model/recurrent-state.ts';

interface Entry {
  scope: string;
  length: number;
  /** Of the ids, since the index is by a hash of a few bits. */
  digest: string;
  state: StateValues;
  bytes: number;
}

/** Remembers the states of one text while it is read. */
export interface PrefixWriter {
  /** The state after the first `length` ids, more of them at every call; it must not be changed any more. */
  add(length: number, state: StateValues): void;
}

/** Digest, keys and lists of an entry, beside its state, about. */
const overheadBytes = 400;
const firstHash = 17;

const nextHash = (hash: number, id: number): number => (Math.imul(hash ^ id, 0x01000193) + 0x9e3779b9) | 0;

const bytesOf = (ids: Int32Array, first: number, end: number): Uint8Array =>
  new Uint8Array(ids.buffer, ids.byteOffset + 4 * first, 4 * (end - first));

const keyOf = (scope: string, length: number, hash: number): string => `${length} ${hash} ${scope}`;

/**
 * States that networks had after prompts, so that a text which begins like an earlier one is read from there on. Bounded: what was not used
 * for longest goes first. What is found was read by the same kernels, so that it changes no bit.
 */
export class PrefixCache {
  readonly #limitBytes: number;
  /** In the order of their use. */
  readonly #entries = new Map<string, Entry>();
  /** By scope, how many entries have each length: others need not be looked for. */
  readonly #lengths = new Map<string, Map<number, number>>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The longest beginning of `ids` that is known.
   * @param scope the model, the context and whoever may share what was read
   * @param most ids that may be skipped
   */
  find(scope: string, ids: Int32Array, most: number): { length: number; state: StateValues } | null {
    const lengths = this.#lengths.get(scope);
    if (lengths === undefined) return null;
    const found: string[] = [];
    let hash = firstHash;
    for (let k = 0; k < most; k++) {
      hash = nextHash(hash, ids[k]!);
      if (!lengths.has(k + 1)) continue;
      const key = keyOf(scope, k + 1, hash);
      if (this.#entries.has(key)) found.push(key);
    }
    for (const key of found.reverse()) {
      const entry = this.#entries.get(key)!;
      const digest = createHash('sha256')
        .update(bytesOf(ids, 0, entry.length))
        .digest('base64');
      if (digest !== entry.digest) continue;
      // Behind all others: it was used last.
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      return entry;
    }
    return null;
  }

  writer(scope: string, ids: Int32Array): PrefixWriter {
    const sha = createHash('sha256');
    let hash = firstHash;
    let hashed = 0;
    return {
      add: (length, state) => {
        if (length === 0 || length === hashed) return;
        sha.update(bytesOf(ids, hashed, length));
        for (; hashed < length; hashed++) hash = nextHash(hash, ids[hashed]!);
        const bytes = state.byteLength + overheadBytes + 4 * scope.length;
        const entry = { scope, length, digest: sha.copy().digest('base64'), state, bytes };
        if (bytes <= this.#limitBytes) this.#put(keyOf(scope, length, hash), entry);
      },
    };
  }

  #put(key: string, entry: Entry): void {
    this.#remove(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    const lengths = this.#lengths.get(entry.scope) ?? new Map<number, number>();
    lengths.set(entry.length, (lengths.get(entry.length) ?? 0) + 1);
    this.#lengths.set(entry.scope, lengths);
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const { scope, length, bytes } = entry;
    this.#entries.delete(key);
    this.#bytes -= bytes;
    const lengths = this.#lengths.get(scope)!;
    const left = lengths.get(length)! - 1;
    if (left > 0) lengths.set(length, left);
    else lengths.delete(length);
    if (lengths.size === 0) this.#lengths.delete(scope);
  }
}
