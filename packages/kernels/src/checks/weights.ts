import type {
  Parameter,
  ParameterRole,
  RecurrentGradients,
  RecurrentLayer,
  RecurrentParameters,
} from '../backend.ts';
import type { Door, RealArray, Region } from '../engine.ts';
import { shapeOfRole } from '../roles.ts';

/** Arrays of a layer's parameters, empty where it has none; or of their gradients, null where none is wanted. */
export type Weights<Array = RealArray> = { readonly [K in keyof RecurrentParameters]-?: Array };

type Use = Extract<ParameterRole, { layer: RecurrentLayer }>['use'];

const nothing = new Float64Array(0);
const always = () => true;
const isRecurrent = (layer: RecurrentLayer) => layer.recurrent !== false;
const isNormalized = (layer: RecurrentLayer) => (layer.norm ?? 'none') !== 'none';
const hasCellNorm = (layer: RecurrentLayer) => layer.cell === 'lstm' && isNormalized(layer);

/** Every parameter: its role's use, and which layers have it. */
const table: readonly (readonly [
  name: keyof Weights,
  use: Exclude<Use, 'norm_statistics'>,
  needed: (layer: RecurrentLayer) => boolean,
])[] = [
  ['weightIh', 'weight_ih', always],
  ['weightHh', 'weight_hh', isRecurrent],
  ['biasIh', 'recurrent_bias', always],
  ['biasHh', 'recurrent_bias', isRecurrent],
  ['peephole', 'peephole', (layer) => layer.peephole === true],
  ['gainIh', 'recurrent_gain', isNormalized],
  ['gainHh', 'recurrent_gain', (layer) => isNormalized(layer) && isRecurrent(layer)],
  ['gainCell', 'cell_norm', hasCellNorm],
  ['biasCell', 'cell_norm', hasCellNorm],
];

function expectOf(layer: RecurrentLayer, parameter: Parameter, use: Use, label: string): void {
  const { role } = parameter;
  if (role.use !== use || role.layer.cell !== layer.cell)
    throw new TypeError(`Expected a parameter of use ${use} of an ${layer.cell} layer for ${label}.`);
  if (role.use === 'weight_ih' && role.layer.input !== layer.input)
    throw new TypeError(`Expected ${label} of a layer that reads ${layer.input}.`);
}

function check<R extends Region, Absent>(
  engine: Door<R, unknown>,
  layer: RecurrentLayer,
  parameters: RecurrentParameters | RecurrentGradients,
  prefix: string,
  absent: (label: string) => Absent,
): Weights<R | Absent> {
  // An object of its own shape, filled in: generation asks for every token.
  const weights: Record<keyof Weights, R | Absent | typeof nothing | null> = {
    weightIh: null,
    weightHh: null,
    biasIh: null,
    biasHh: null,
    peephole: null,
    gainIh: null,
    gainHh: null,
    gainCell: null,
    biasCell: null,
  };
  for (const [name, use, needed] of table) {
    const parameter = parameters[name] ?? null;
    const label = prefix === '' ? name : `${prefix}${name[0]!.toUpperCase()}${name.slice(1)}`;
    if (!needed(layer)) {
      if (parameter) throw new TypeError(`Expected no ${label}: the layer's options do not call for it.`);
      weights[name] = prefix === '' ? nothing : null;
    } else if (parameter === null) {
      weights[name] = absent(label);
    } else if (parameter.role.use === use && parameter.role.layer === layer) {
      // A parameter of this very layer has its shapes.
      weights[name] = engine.reals(parameter, label);
    } else {
      expectOf(layer, parameter, use, label);
      weights[name] = engine.reals(parameter, label, shapeOfRole({ use, layer }));
    }
  }
  return weights as Weights<R | Absent>;
}

export function checkParameters<R extends Region>(
  engine: Door<R, unknown>,
  layer: RecurrentLayer,
  parameters: RecurrentParameters,
): Weights<R> {
  return check(engine, layer, parameters, '', (label): never => {
    throw new TypeError(`Expected a parameter for ${label} of this layer.`);
  });
}

export function checkGradients<R extends Region>(
  engine: Door<R, unknown>,
  layer: RecurrentLayer,
  gradients: RecurrentGradients,
): Weights<R | null> {
  return check(engine, layer, gradients, 'd', () => null);
}
