import type { ModelOptions } from '@unfold/contracts';
import type {
  Backend,
  NormStatistics,
  Parameter,
  RecurrentGradients,
  RecurrentLayer,
  RecurrentParameters,
  Tensor,
} from '@unfold/kernels';
import { initialValues } from './initialize.ts';
import type { NetworkShape } from './network-shape.ts';
import {
  bufferTable,
  layerSuffix,
  type ParameterEntry,
  parameterTable,
  recurrentLayers,
} from './parameter-table.ts';

/** A linear map; the bias is null where there is none, or where it is frozen. */
interface Linear<P> {
  weight: P;
  bias: P | null;
}

/** Everything of a network that is trained, in its place; P is null where a gradient is frozen. */
interface Arranged<P> {
  /** What tokens are looked up in before layer 0 reads them: the embedding, or `Network.identity`; null: layer 0 looks them up itself. */
  encoder: P | null;
  decoder: { weight: P; bias: P };
  /** Of R f, the output that is fed back. */
  feedback: P | null;
  /** Of the context at every step. */
  context: P | null;
  /** Of the inputs that count down. */
  countdown: P | null;
  /** The head that ends sequences. */
  length: { weight: P; bias: P } | null;
  /** Learned first states [1,H] by layer and direction; null: zeros, or the context gives them. */
  initialState: { h: P; c: P | null }[] | null;
  /** What makes first states of the context. */
  contextState: { h: Linear<P>; c: Linear<P> | null }[] | null;
  /** In the order of the network's table. */
  all: P[];
}

/** A network's parameters on a backend. */
export interface ParameterSet extends Arranged<Parameter> {
  recurrent: RecurrentParameters[];
}

/** Gradients in the places of their parameters; null: frozen, nothing is computed. */
export interface GradientSet extends Arranged<Parameter | null> {
  recurrent: RecurrentGradients[];
  /** Those that are not null. */
  trained: Parameter[];
}

/**
 * What a network is on a backend: (embedding | one-hot | vectors) → recurrent layers → decoder, with what its shape and its options add. Holds
 * parameters only; passes bring their own room for activations.
 */
export interface Network {
  backend: Backend;
  model: ModelOptions;
  shape: NetworkShape;
  /** V: rows of the decoder, the vocabulary's in a language model. */
  vocabularySize: number;
  /** Bottom first; with two directions forward before reverse. */
  layers: RecurrentLayer[];
  table: ParameterEntry[];
  parameters: ParameterSet;
  /** Running statistics by layer; null without batch normalisation. */
  statistics: (NormStatistics | null)[];
  /** What is part of the model but not trained. */
  buffers: { name: string; tensor: Parameter }[];
  /** One-hot vectors by token, [V,V], of a network that reads mixtures of them; null: it does not. No part of the model. */
  identity: Parameter | null;
}

const arrange = <P extends Parameter | null>(
  table: ParameterEntry[],
  all: P[],
  model: ModelOptions,
  places: number,
) => {
  const named = new Map<string, P>(table.map(({ name }, k) => [name, all[k] as P]));
  const at = (name: string): P | null => named.get(name) ?? null;
  // A gradient may be null itself; kernels tell by the layer what must be there.
  const kernel = (name: string) => at(name) as Parameter;
  const encoder = at('encoder.weight');
  const suffixes = Array.from({ length: places }, (_, place) => layerSuffix(model, place));
  const linear = (weight: string, bias: string) =>
    named.has(weight) ? { weight: named.get(weight)!, bias: at(bias) } : null;
  return {
    encoder,
    recurrent: suffixes.map((suffix) => ({
      weightIh: kernel(`rnn.weight_ih_${suffix}`),
      weightHh: kernel(`rnn.weight_hh_${suffix}`),
      biasIh: kernel(`rnn.bias_ih_${suffix}`),
      biasHh: kernel(`rnn.bias_hh_${suffix}`),
      peephole: kernel(`peephole.weight_${suffix}`),
      gainIh: kernel(`norm.gain_ih_${suffix}`),
      gainHh: kernel(`norm.gain_hh_${suffix}`),
      gainCell: kernel(`norm.gain_cell_${suffix}`),
      biasCell: kernel(`norm.bias_cell_${suffix}`),
    })),
    decoder: {
      weight: (model.tie_weights ? encoder : at('decoder.weight')) as P,
      bias: at('decoder.bias') as P,
    },
    feedback: at('feedback.weight_l0'),
    context: at('context.weight'),
    countdown: at('length.input_weight'),
    length: linear('length.weight', 'length.bias') as { weight: P; bias: P } | null,
    initialState: named.has(`initial_state.h_${suffixes[0]}`)
      ? suffixes.map((suffix) => ({
          h: at(`initial_state.h_${suffix}`) as P,
          c: at(`initial_state.c_${suffix}`),
        }))
      : null,
    contextState: named.has(`context.h_weight_${suffixes[0]}`)
      ? suffixes.map((suffix) => ({
          h: linear(`context.h_weight_${suffix}`, `context.h_bias_${suffix}`)!,
          c: linear(`context.c_weight_${suffix}`, `context.c_bias_${suffix}`),
        }))
      : null,
    all,
  };
};

const createIdentity = (backend: Backend, size: number): Parameter => {
  const identity = backend.createParameter({ use: 'embedding', rows: size, columns: size });
  const values = new Float32Array(size * size);
  for (let k = 0; k < size; k++) values[k * size + k] = 1;
  upload(backend, identity, values);
  return identity;
};

/**
 * A network of zeros.
 * @param mixesTokens of tokens without an embedding: layer 0 reads one-hot vectors as numbers, so that mixtures of them can take their place. Names,
 * shapes and results are those of the look-up
 */
export const createNetwork = (
  backend: Backend,
  model: ModelOptions,
  shape: NetworkShape,
  mixesTokens = false,
): Network => {
  const { size } = shape.input;
  const read: NetworkShape = mixesTokens ? { ...shape, input: { kind: 'vectors', size } } : shape;
  const table = parameterTable(model, read);
  const layers = recurrentLayers(model, read);
  const all = table.map(({ role }) => backend.createParameter(role));
  const buffers = bufferTable(model, read).map(({ name, role }) => ({
    name,
    tensor: backend.createParameter(role),
  }));
  const buffer = (name: string): Parameter => buffers.find((each) => each.name === name)!.tensor;
  const identity = mixesTokens ? createIdentity(backend, size) : null;
  const parameters = arrange(table, all, model, layers.length);
  return {
    backend,
    model,
    shape,
    vocabularySize: shape.output.size,
    layers,
    table,
    parameters: { ...parameters, encoder: identity ?? parameters.encoder },
    statistics: layers.map(({ norm }, place) => {
      if (norm !== 'batch') return null;
      const suffix = layerSuffix(model, place);
      return {
        mean: buffer(`norm.running_mean_${suffix}`),
        variance: buffer(`norm.running_var_${suffix}`),
        batches: buffer(`norm.num_batches_${suffix}`),
      };
    }),
    buffers,
    identity,
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
  const { backend, table, parameters, model, layers } = network;
  const all = table.map(({ name }, k) => (frozen.has(name) ? null : backend.like(parameters.all[k]!)));
  return {
    ...arrange(table, all, model, layers.length),
    trained: all.filter((gradient) => gradient !== null),
  };
};

export const releaseParameters = (
  backend: Backend,
  { all }: { readonly all: readonly (Parameter | null)[] },
): void => backend.release(...all.filter((tensor) => tensor !== null));

/** Frees everything that a network holds. */
export const releaseNetwork = ({ backend, parameters, buffers, identity }: Network): void => {
  releaseParameters(backend, parameters);
  backend.release(...buffers.map(({ tensor }) => tensor));
  if (identity) backend.release(identity);
};

/** Uploads real numbers at the backend's precision. */
export const upload = (backend: Backend, tensor: Tensor, values: Float32Array | Float64Array): void => {
  const double = backend.describe().precision === 'float64';
  const Real = double ? Float64Array : Float32Array;
  backend.upload(tensor, values instanceof Real ? values : new Real(values));
};
