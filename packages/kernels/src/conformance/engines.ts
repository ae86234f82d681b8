import type { Backend } from '../backend.ts';
import { createReference } from '../reference/reference-backend.ts';

/** Every engine that must conform. A new one is added here and nowhere else. */
export const engines: readonly { readonly name: string; create(): Promise<Backend> }[] = [
  { name: 'reference', create: async () => createReference() },
];

/** What the engines are held against: the same formulas in double precision, themselves held against finite differences. */
export function createTruth(): Backend {
  return createReference({ precision: 'float64' });
}
