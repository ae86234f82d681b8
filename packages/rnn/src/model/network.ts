import type { ModelOptions } from '@unfold/contracts';
import type { Backend, Parameter, RecurrentLayer, RecurrentParameters, Tensor } from '@unfold/kernels';
import { initialValues } from './initialize.ts';
import { type ParameterEntry, parameterTable, recurrentLayers } from './parameter-table.ts';

/** A language model's parameters, or their gradients, on a backend. */
export interface ParameterSet {
  /** Null without an embedding. */
  encoder: Parameter | null;
  recurrent: RecurrentParameters[];
  decoder: { weight: Parameter; bias: Parameter };
  /** Every parameter once, in the order of the network's table. */
  all: Parameter[];
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

const arrange = (table: ParameterEntry[], all: Parameter[], model: ModelOptions): ParameterSet => {
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
      weight: model.tie_weights ? encoder! : named.get('decoder.weight')!,
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

/** Zeros of the parameters' layout, for gradients; a tied weight has one gradient. */
export const likeParameters = (network: Network): ParameterSet =>
  arrange(
    network.table,
    network.parameters.all.map((parameter) => network.backend.like(parameter)),
    network.model,
  );

export const releaseParameters = (backend: Backend, { all }: ParameterSet): void => backend.release(...all);

/** Uploads real numbers at the backend's precision. */
export const upload = (backend: Backend, tensor: Tensor, values: Float32Array | Float64Array): void => {
  const double = backend.describe().precision === 'float64';
  const Real = double ? Float64Array : Float32Array;
  backend.upload(tensor, values instanceof Real ? values : new Real(values));
};
