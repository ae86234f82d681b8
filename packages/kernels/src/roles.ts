import type { CellKind, ParameterRole, RecurrentLayer } from './backend.ts';

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
