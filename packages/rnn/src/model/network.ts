import type { ModelOptions } from '@unfold/contracts';
import type {
  Backend,
  Parameter,
  RecurrentGradients,
  RecurrentLayer,
  RecurrentParameters,
  Tensor,
} from '@unfold/kernels';
import { initialValues } from './initialize.ts';
import { type ParameterEntry, parameterTable, recurrentLayers } from './parameter-table.ts';

/** A language model's parameters on a backend. */
export interface ParameterSet {
  /** Null without an embedding. */
  encoder: Parameter | null;
  recurrent: RecurrentParameters[];
  decoder: { weight: Parameter; bias: Parameter };
  /** Every parameter once, in the order of the network's table. */
  all: Parameter[];
}

/** Gradients in the places of their parameters; null: frozen, nothing is computed. */
export interface GradientSet {
  encoder: Parameter | null;
  recurrent: RecurrentGradients[];
  decoder: { weight: Parameter | null; bias: Parameter | null };
  /** In the order of the network's table. */
  all: (Parameter | null)[];
  /** Those that are not null. */
  trained: Parameter[];
}

/**
 * What a language model is on a backend: (embedding | one-hot) → recurrent layers → decoder. Holds parameters only; passes bring
 * their own room for activations.
 */
export interface Network {
  backend: Backend;
  model: ModelOptions;
  vocabularySize: number;
  layers: RecurrentLayer[];
  table: ParameterEntry[];
  parameters: ParameterSet;
}

const arrange = <P extends Parameter | null>(table: ParameterEntry[], all: P[], model: ModelOptions) => {
  const named = new Map(table.map(({ name }, k) => [name, all[k]!]));
  const encoder = named.get('encoder.weight') ?? null;
  return {
    encoder,
    recurrent: Array.from({ length: model.num_layers }, (_, k) => ({
      weightIh: named.get(`rnn.weight_ih_l${k}`)!,
      weightHh: named.get(`rnn.weight_hh_l${k}`)!,
      biasIh: named.get(`rnn.bias_ih_l${k}`)!,
      biasHh: named.get(`rnn.bias_hh_l${k}`)!,
    })),
    decoder: {
      weight: (model.tie_weights ? encoder : named.get('decoder.weight')) as P,
      bias: named.get('decoder.bias')!,
    },
    all,
  };
};

/** A network of zeros. */
export const createNetwork = (backend: Backend, model: ModelOptions, vocabularySize: number): Network => {
  const table = parameterTable(model, vocabularySize);
  const all = table.map(({ role }) => backend.createParameter(role));
  return {
    backend,
    model,
    vocabularySize,
    layers: recurrentLayers(model, vocabularySize),
    table,
    parameters: arrange(table, all, model),
  };
};

/** Gives every parameter its random start. */
export const initializeNetwork = (network: Network, seed: number): void => {
  network.table.forEach((entry, k) => {
    upload(network.backend, network.parameters.all[k]!, initialValues(entry, k, network.model, seed));
  });
};

/**
 * Zeros of the parameters' layout, for gradients; a tied weight has one gradient.
 * @param frozen names of the parameters that have none
 */
export const createGradients = (network: Network, frozen: ReadonlySet<string> = new Set()): GradientSet => {
  const { backend, table, parameters, model } = network;
  const all = table.map(({ name }, k) => (frozen.has(name) ? null : backend.like(parameters.all[k]!)));
  return { ...arrange(table, all, model), trained: all.filter((gradient) => gradient !== null) };
};

export const releaseParameters = (
  backend: Backend,
  { all }: { readonly all: readonly (Parameter | null)[] },
): void => backend.release(...all.filter((tensor) => tensor !== null));

/** Uploads real numbers at the backend's precision. */
export const upload = (backend: Backend, tensor: Tensor, values: Float32Array | Float64Array): void => {
  const double = backend.describe().precision === 'float64';
  const Real = double ? Float64Array : Float32Array;
  backend.upload(tensor, values instanceof Real ? values : new Real(values));
};
