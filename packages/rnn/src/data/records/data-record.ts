/** Vectors of `width` numbers, one a time step; `values` is [steps, width]. */
export interface Vectors {
  kind: 'vectors';
  steps: number;
  width: number;
  values: Float64Array;
  /** 0 where a step has no vector, which only outputs may have; null: every step has one. */
  present: Uint8Array | null;
}
/** Texts that are tokens as they stand; null where an output has no target. */
export interface Tokens {
  kind: 'tokens';
  tokens: readonly (string | null)[];
}
/** Text that a tokenizer has yet to cut. */
export interface Text {
  kind: 'text';
  text: string;
}
export interface Label {
  kind: 'label';
  label: string;
}
export interface Vector {
  kind: 'vector';
  values: Float64Array;
}

/** One record of a file as it was read and checked. */
export interface DataRecord {
  /** Where it begins, counted from 1. */
  line: number;
  input: Text | Tokens | Vectors;
  /** null where targets are the input's next steps. */
  output: Tokens | Vectors | Label | null;
  context: Label | Vector | null;
}
