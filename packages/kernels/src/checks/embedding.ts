import type { EmbeddingBackward, EmbeddingForward } from '../backend.ts';
import type { Engine, RealArray } from '../engine.ts';
import { expectSeparate } from '../engine.ts';

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

/** The table or its gradient is [V,C], `rows` [tokens, C]. */
export interface CheckedEmbedding {
  readonly V: number;
  readonly C: number;
  readonly tokens: Int32Array;
  readonly table: RealArray;
  readonly rows: RealArray;
}

export function checkEmbeddingForward(engine: Engine, call: EmbeddingForward): CheckedEmbedding {
  const [V, C] = call.table.shape as readonly [number, number];
  const table = engine.reals(call.table, 'embedding table');
  const tokens = engine.ints(call.tokens, 'embedding tokens');
  const rows = engine.reals(call.output, 'embedding output', [...call.tokens.shape, C]);
  expectSeparate(call.output, 'embedding output', [call.table]);
  expectTokens(tokens, 'embedding tokens', V);
  return { V, C, tokens, table, rows };
}

export function checkEmbeddingBackward(engine: Engine, call: EmbeddingBackward): CheckedEmbedding {
  const [V, C] = call.dTable.shape as readonly [number, number];
  const table = engine.reals(call.dTable, 'embedding dTable');
  const tokens = engine.ints(call.tokens, 'embedding tokens');
  const rows = engine.reals(call.dOutput, 'embedding dOutput', [...call.tokens.shape, C]);
  expectTokens(tokens, 'embedding tokens', V);
  return { V, C, tokens, table, rows };
}
