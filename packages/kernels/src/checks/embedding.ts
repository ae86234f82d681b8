import type { EmbeddingBackward, EmbeddingForward } from '../backend.ts';
import type { Door, RealArray, Region } from '../engine.ts';
import { expectSeparate } from '../engine.ts';
import { tableShape } from '../roles.ts';

/** Throws unless every token is one of `first` … count − 1. */
export function expectTokens(tokens: Int32Array, label: string, count: number, first = 0): void {
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token < first || token >= count)
      throw new RangeError(
        `Expected tokens from ${first} to ${count - 1} for ${label} but received ${token} at ${i}.`,
      );
  }
}

/** The table or its gradient is [V,C], `rows` [tokens, C]. */
export interface CheckedEmbedding<R = RealArray> {
  readonly V: number;
  readonly C: number;
  readonly tokens: Int32Array;
  readonly table: R;
  readonly rows: R;
}

export function checkEmbeddingForward<R extends Region>(
  engine: Door<R, unknown>,
  call: EmbeddingForward,
): CheckedEmbedding<R> {
  const [V, C] = tableShape(call.table);
  const table = engine.reals(call.table, 'embedding table');
  const tokens = engine.ints(call.tokens, 'embedding tokens');
  const rows = engine.reals(call.output, 'embedding output', [...call.tokens.shape, C]);
  expectSeparate(call.output, 'embedding output', [call.table]);
  expectTokens(tokens, 'embedding tokens', V, -1);
  return { V, C, tokens, table, rows };
}

export function checkEmbeddingBackward<R extends Region>(
  engine: Door<R, unknown>,
  call: EmbeddingBackward,
): CheckedEmbedding<R> {
  const [V, C] = tableShape(call.dTable);
  const table = engine.reals(call.dTable, 'embedding dTable');
  const tokens = engine.ints(call.tokens, 'embedding tokens');
  const rows = engine.reals(call.dOutput, 'embedding dOutput', [...call.tokens.shape, C]);
  expectTokens(tokens, 'embedding tokens', V, -1);
  return { V, C, tokens, table, rows };
}
