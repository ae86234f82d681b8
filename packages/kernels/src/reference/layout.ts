import type { ParameterRole } from '../backend.ts';
import type { RealArray } from '../engine.ts';
import { shapeOfRole } from '../roles.ts';

/**
 * The reference keeps every parameter as PyTorch does, but for weights of one-hot inputs: those of a layer that reads tokens, and tables that
 * say so. They stand transposed, so that a token's look-up reads one row.
 */
function isTransposed(role: ParameterRole): boolean {
  if (role.use === 'embedding') return role.transposed === true;
  return role.use === 'weight_ih' && role.layer.input === 'tokens';
}

/** `values` in PyTorch's layout → `packed` in ours. */
export function pack(role: ParameterRole, values: ArrayLike<number>, packed: RealArray): void {
  if (!isTransposed(role)) {
    packed.set(values);
    return;
  }
  const [rows, columns] = shapeOfRole(role) as [number, number];
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < columns; k++) packed[k * rows + i] = values[i * columns + k]!;
}

/** The inverse of `pack`. */
export function unpack(role: ParameterRole, packed: RealArray, values: RealArray): void {
  if (!isTransposed(role)) {
    values.set(packed);
    return;
  }
  const [rows, columns] = shapeOfRole(role) as [number, number];
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < columns; k++) values[i * columns + k] = packed[k * rows + i]!;
}
