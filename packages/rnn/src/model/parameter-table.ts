import type { ModelOptions } from '@unfold/contracts';
import type { ParameterRole, RecurrentLayer } from '@unfold/kernels';

/** Gate blocks of a cell, in PyTorch's order: LSTM i, f, g, o; GRU r, z, n. */
export const gateCount = { elman: 1, gru: 3, lstm: 4 } as const;

export interface ParameterEntry {
  /** PyTorch's name. */
  name: string;
  /** PyTorch's shape. */
  shape: readonly number[];
  role: ParameterRole;
  /** Whether weight decay applies: to matrices, not to biases. */
  decays: boolean;
}

/** The recurrent layers of a language model, bottom first. Layer 0 reads tokens (one-hot) or embeddings. */
export const recurrentLayers = (model: ModelOptions, vocabularySize: number): RecurrentLayer[] =>
  Array.from({ length: model.num_layers }, (_, k) => ({
    cell: model.cell,
    // The schema of jobs is ahead of the kernels; what they lack, it refuses.
    activation: model.activation as NonNullable<RecurrentLayer['activation']>,
    inputSize: k > 0 ? model.hidden_size : (model.embedding_size ?? vocabularySize),
    hiddenSize: model.hidden_size,
    input: k === 0 && model.embedding_size === null ? 'tokens' : 'dense',
  }));

/** Every parameter that is trained, in the order of PyTorch's `state_dict`. A tied model has no `decoder.weight` of its own. */
export const parameterTable = (model: ModelOptions, vocabularySize: number): ParameterEntry[] => {
  const table: ParameterEntry[] = [];
  const { embedding_size: columns, hidden_size: H } = model;
  if (columns !== null)
    table.push({
      name: 'encoder.weight',
      shape: [vocabularySize, columns],
      role: { use: 'embedding', rows: vocabularySize, columns },
      decays: true,
    });
  const rows = gateCount[model.cell] * H;
  recurrentLayers(model, vocabularySize).forEach((layer, k) => {
    table.push(
      {
        name: `rnn.weight_ih_l${k}`,
        shape: [rows, layer.inputSize],
        role: { use: 'weight_ih', layer },
        decays: true,
      },
      { name: `rnn.weight_hh_l${k}`, shape: [rows, H], role: { use: 'weight_hh', layer }, decays: true },
      { name: `rnn.bias_ih_l${k}`, shape: [rows], role: { use: 'recurrent_bias', layer }, decays: false },
      { name: `rnn.bias_hh_l${k}`, shape: [rows], role: { use: 'recurrent_bias', layer }, decays: false },
    );
  });
  if (!model.tie_weights)
    table.push({
      name: 'decoder.weight',
      shape: [vocabularySize, H],
      role: { use: 'dense', outputs: vocabularySize, inputs: H },
      decays: true,
    });
  table.push({
    name: 'decoder.bias',
    shape: [vocabularySize],
    role: { use: 'bias', size: vocabularySize },
    decays: false,
  });
  return table;
};

export const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/** Trained numbers of a model; tied weights count once. */
export const countParameters = (model: ModelOptions, vocabularySize: number): number =>
  parameterTable(model, vocabularySize).reduce((sum, { shape }) => sum + elementCount(shape), 0);
