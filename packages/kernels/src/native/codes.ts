import type { ParameterRole, RecurrentLayer } from '../backend.ts';
import type { RoleCode } from './addon.ts';

/** The addon's number for a kind of cell. */
export function cellCode(layer: RecurrentLayer): number {
  if (layer.cell === 'lstm') return 3;
  if (layer.cell === 'gru') return 2;
  return layer.activation === 'relu' ? 1 : 0;
}

/** A role in the addon's numbers; null: a plain array in every engine. */
export function roleCode(role: ParameterRole): RoleCode | null {
  switch (role.use) {
    case 'weight_ih': {
      const { layer } = role;
      return [0, cellCode(layer), layer.input === 'tokens', layer.inputSize, layer.hiddenSize];
    }
    case 'weight_hh':
      return [1, cellCode(role.layer), false, role.layer.hiddenSize, role.layer.hiddenSize];
    case 'recurrent_bias':
      return [2, cellCode(role.layer), false, 1, role.layer.hiddenSize];
    case 'dense':
      return [3, 0, false, role.inputs, role.outputs];
    case 'embedding':
    case 'bias':
      return null;
  }
}
