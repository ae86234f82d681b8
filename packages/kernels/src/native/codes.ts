import type { ParameterRole, RecurrentLayer } from '../backend.ts';
import type { RoleCode } from './addon.ts';

/** The addon's number for a kind of cell. */
export function cellCode(layer: RecurrentLayer): number {
  return { elman: 0, gru: 1, lstm: 2 }[layer.cell];
}

const activations = { tanh: 0, relu: 1, sigmoid: 2, softsign: 3 } as const;
/** Of layers that were asked for before: generation asks for every token. */
const options = new WeakMap<RecurrentLayer, Float64Array | null>();

/**
 * A layer's options in the addon's numbers: activation, peepholes, recurrence, rates of zoneout of h and of c and of recurrent dropout, reset
 * before, norm; null: none.
 */
export function layerOptions(layer: RecurrentLayer): Float64Array | null {
  const known = options.get(layer);
  if (known !== undefined) return known;
  const { cell, activation, candidateActivation, zoneout, recurrentDropout } = layer;
  const squash = cell === 'elman' ? activation : cell === 'lstm' ? candidateActivation : 'tanh';
  const values = Float64Array.of(
    activations[squash ?? 'tanh'],
    Number(layer.peephole === true),
    Number(layer.recurrent !== false),
    zoneout?.hidden ?? 0,
    zoneout?.cell ?? 0,
    recurrentDropout ?? 0,
    Number(layer.reset === 'before'),
    { none: 0, layer: 1, batch: 2 }[layer.norm ?? 'none'],
  );
  const plain = [0, 0, 1, 0, 0, 0, 0, 0].every((value, i) => values[i] === value);
  options.set(layer, plain ? null : values);
  return plain ? null : values;
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
    // Nothing in C++ reads these yet.
    case 'recurrent_gain':
    case 'peephole':
    case 'cell_norm':
    case 'norm_statistics':
    case 'embedding':
    case 'bias':
      return null;
  }
}
