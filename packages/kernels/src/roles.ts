import type { CellKind, Parameter, ParameterRole, RecurrentLayer } from './backend.ts';

/** G: gate blocks of H rows in a cell's weights. */
export const gateBlocks: Readonly<Record<CellKind, number>> = { elman: 1, gru: 3, lstm: 4 };

/** G·H. */
export function gateRows(layer: RecurrentLayer): number {
  return gateBlocks[layer.cell] * layer.hiddenSize;
}

/** How many numbers batch normalisation keeps a time step: see `NormStatistics`. */
export function momentColumns(layer: RecurrentLayer): number {
  const gates = gateRows(layer) * (layer.recurrent === false ? 1 : 2);
  return layer.cell === 'lstm' ? gates + layer.hiddenSize : gates;
}

/** Rows and columns of a dense layer's weight or an embedding's table, as calls mean them. */
export function tableShape({ role, shape }: Parameter): readonly [number, number] {
  return role.use === 'embedding' ? [role.rows, role.columns] : (shape as readonly [number, number]);
}

/** The shape of a parameter as PyTorch has it. */
export function shapeOfRole(role: ParameterRole): readonly number[] {
  switch (role.use) {
    case 'weight_ih':
      return [gateRows(role.layer), role.layer.inputSize];
    case 'weight_hh':
      return [gateRows(role.layer), role.layer.hiddenSize];
    case 'recurrent_bias':
    case 'recurrent_gain':
      return [gateRows(role.layer)];
    case 'peephole':
      return [3, role.layer.hiddenSize];
    case 'cell_norm':
      return [role.layer.hiddenSize];
    case 'norm_statistics':
      return [role.layer.normSteps ?? 0, role.of === 'batches' ? 1 : momentColumns(role.layer)];
    case 'dense':
      return [role.outputs, role.inputs];
    case 'embedding':
      return role.transposed ? [role.columns, role.rows] : [role.rows, role.columns];
    case 'bias':
      return [role.size];
  }
}
