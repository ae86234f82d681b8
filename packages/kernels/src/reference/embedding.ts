import type { EmbeddingBackward, EmbeddingForward } from '../backend.ts';
import { type Engine, type RealArray, sizeOf } from './engine.ts';

/** Throws unless every token is one of 0 … count − 1. */
export function expectTokens(tokens: Int32Array, label: string, count: number): void {
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token < 0 || token >= count)
      throw new RangeError(
        `Expected tokens from 0 to ${count - 1} for ${label} but received ${token} at ${i}.`,
      );
  }
}

/**
 * target[tokens[r], :] += source[r, :] for each row r. The rows of one token are summed in double in their order, then added once, so
 * that a frequent token loses nothing; the sort by counting keeps the order.
 */
export function scatterAdd(
  engine: Engine,
  tokens: Int32Array,
  count: number,
  source: RealArray,
  sourceStart: number,
  sourceStride: number,
  columns: number,
  target: RealArray,
  targetStart: number,
  targetStride: number,
): void {
  const starts = engine.scratchInts('scatter starts', count + 1).fill(0, 0, count + 1);
  for (let r = 0; r < tokens.length; r++) starts[tokens[r]! + 1]!++;
  for (let token = 0; token < count; token++) starts[token + 1] = starts[token + 1]! + starts[token]!;
  // Filling moves each start to its token's end, which is the next token's start.
  const order = engine.scratchInts('scatter order', tokens.length);
  for (let r = 0; r < tokens.length; r++) order[starts[tokens[r]!]!++] = r;
  const sums = engine.scratchDoubles('scatter sums', columns);
  for (let token = 0, next = 0; token < count; token++) {
    const end = starts[token]!;
    if (next === end) continue;
    sums.fill(0, 0, columns);
    for (; next < end; next++) {
      const from = sourceStart + order[next]! * sourceStride;
      for (let k = 0; k < columns; k++) sums[k] = sums[k]! + source[from + k]!;
    }
    const to = targetStart + token * targetStride;
    for (let k = 0; k < columns; k++) target[to + k] = target[to + k]! + sums[k]!;
  }
}

/** output[…, :] = table[tokens[…], :]. */
export function embeddingForward(engine: Engine, call: EmbeddingForward): void {
  const [V, C] = call.table.shape as readonly [number, number];
  const table = engine.reals(call.table, 'embedding table');
  const tokens = engine.ints(call.tokens, 'embedding tokens');
  const out = engine.reals(call.output, 'embedding output', [...call.tokens.shape, C]);
  expectTokens(tokens, 'embedding tokens', V);
  for (let r = 0; r < tokens.length; r++) {
    const from = tokens[r]! * C;
    for (let k = 0; k < C; k++) out[r * C + k] = table[from + k]!;
  }
}

/** dTable[tokens[…], :] += dOutput[…, :]. */
export function embeddingBackward(engine: Engine, call: EmbeddingBackward): void {
  const [V, C] = call.dTable.shape as readonly [number, number];
  const dTable = engine.reals(call.dTable, 'embedding dTable');
  const tokens = engine.ints(call.tokens, 'embedding tokens');
  const dOut = engine.reals(call.dOutput, 'embedding dOutput', [...call.tokens.shape, C]);
  expectTokens(tokens, 'embedding tokens', V);
  if (sizeOf(call.tokens.shape) > 0) scatterAdd(engine, tokens, V, dOut, 0, C, C, dTable, 0, C);
}
