import type { EmbeddingBackward, EmbeddingForward } from '../backend.ts';
import { checkEmbeddingBackward, checkEmbeddingForward } from '../checks/embedding.ts';
import type { Engine, RealArray } from '../engine.ts';

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
  const { C, tokens, table, rows } = checkEmbeddingForward(engine, call);
  for (let r = 0; r < tokens.length; r++) {
    const from = tokens[r]! * C;
    for (let k = 0; k < C; k++) rows[r * C + k] = table[from + k]!;
  }
}

/** dTable[tokens[…], :] += dOutput[…, :]. */
export function embeddingBackward(engine: Engine, call: EmbeddingBackward): void {
  const { V, C, tokens, table, rows } = checkEmbeddingBackward(engine, call);
  if (tokens.length > 0) scatterAdd(engine, tokens, V, rows, 0, C, C, table, 0, C);
}
