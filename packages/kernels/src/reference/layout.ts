import type { CellKind, ParameterRole, RecurrentLayer } from '../backend.ts';
import type { RealArray } from './engine.ts';

/** G: gate blocks of H rows in a cell's weights. */
export const gateBlocks: Readonly<Record<CellKind, number>> = { elman: 1, gru: 3, lstm: 4 };

/** G·H. */
export function gateRows(layer: RecurrentLayer): number {
  return gateBlocks[layer.cell] * layer.hiddenSize;
}

/** The shape of a parameter as PyTorch has it. */
export function shapeOfRole(role: ParameterRole): readonly number[] {
  switch (role.use) {
    case 'weight_ih':
      return [gateRows(role.layer), role.layer.inputSize];
    case 'weight_hh':
      return [gateRows(role.layer), role.layer.hiddenSize];
    case 'recurrent_bias':
      return [gateRows(role.layer)];
    case 'dense':
      return [role.outputs, role.inputs];
    case 'embedding':
      return [role.rows, role.columns];
    case 'bias':
      return [role.size];
  }
}

/**
 * The reference keeps every parameter as PyTorch does, but one: the input weights of a layer that reads tokens stand transposed,
 * [C, G·H], so that a token's look-up reads one row.
 */
function isTransposed(role: ParameterRole): boolean {
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
