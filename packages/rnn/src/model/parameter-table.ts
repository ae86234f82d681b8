import type { ModelOptions } from '@unfold/contracts';
import type { ParameterRole, RecurrentLayer } from '@unfold/kernels';
import type { NetworkShape, Port } from './network-shape.ts';

/** Gate blocks of a cell, in PyTorch's order: LSTM i, f, g, o; GRU r, z, n. */
export const gateCount = { elman: 1, gru: 3, lstm: 4 } as const;

export interface ParameterEntry {
  /** PyTorch's name, or ours for what PyTorch's layers lack. */
  name: string;
  /** PyTorch's shape. */
  shape: readonly number[];
  role: ParameterRole;
  /** Whether weight decay applies: to weights, not to biases, gains and first states. */
  decays: boolean;
}

/** One or two, as PyTorch names them: the second reads the sequence from its end. */
export const directionsOf = (model: ModelOptions): readonly ('' | '_reverse')[] =>
  model.bidirectional ? ['', '_reverse'] : [''];

/** The end of a parameter's name in layer and direction, by the place in `recurrentLayers`: `l0`, `l0_reverse`, `l1`, … */
export const layerSuffix = (model: ModelOptions, place: number): string => {
  const directions = directionsOf(model);
  return `l${Math.floor(place / directions.length)}${directions[place % directions.length]}`;
};

/** Width of what a layer hands on: both directions side by side. */
export const outputWidth = (model: ModelOptions): number => model.hidden_size * directionsOf(model).length;

/** Whether the units see their own states of the step before. */
const hasStates = (model: ModelOptions): boolean => model.recurrence !== 'output';

/**
 * The recurrent layers, bottom first, forward before reverse. Layer 0 reads tokens (one-hot), embeddings or vectors. A layer names only the
 * options that its cell has.
 */
export const recurrentLayers = (model: ModelOptions, shape: NetworkShape): RecurrentLayer[] => {
  const { cell, zoneout } = model;
  const bottom =
    shape.input.kind === 'tokens' ? (model.embedding_size ?? shape.input.size) : shape.input.size;
  const oneHot = shape.input.kind === 'tokens' && model.embedding_size === null;
  const directions = directionsOf(model).length;
  return Array.from({ length: model.num_layers * directions }, (_, place) => {
    const lowest = place < directions;
    return {
      cell,
      ...(cell === 'elman' && { activation: model.activation }),
      ...(cell === 'lstm' && { candidateActivation: model.candidate_activation, peephole: model.peephole }),
      ...(cell === 'gru' && { reset: model.reset }),
      ...(model.norm !== 'none' && { norm: model.norm, normSteps: shape.normSteps }),
      ...(!hasStates(model) && { recurrent: false }),
      ...(zoneout > 0 && { zoneout: { hidden: zoneout, cell: cell === 'lstm' ? zoneout : 0 } }),
      ...(model.recurrent_dropout > 0 && { recurrentDropout: model.recurrent_dropout }),
      inputSize: lowest ? bottom : outputWidth(model),
      hiddenSize: model.hidden_size,
      input: lowest && oneHot ? 'tokens' : 'dense',
    };
  });
};

type Entries = ParameterEntry[];

const layerEntries = (layer: RecurrentLayer, suffix: string): Entries => {
  const H = layer.hiddenSize;
  const rows = gateCount[layer.cell] * H;
  const recurrent = layer.recurrent !== false;
  const norm = layer.norm !== undefined;
  const entries: (ParameterEntry & { present: boolean })[] = [
    {
      name: `rnn.weight_ih_${suffix}`,
      shape: [rows, layer.inputSize],
      role: { use: 'weight_ih', layer },
      decays: true,
      present: true,
    },
    {
      name: `rnn.weight_hh_${suffix}`,
      shape: [rows, H],
      role: { use: 'weight_hh', layer },
      decays: true,
      present: recurrent,
    },
    {
      name: `rnn.bias_ih_${suffix}`,
      shape: [rows],
      role: { use: 'recurrent_bias', layer },
      decays: false,
      present: true,
    },
    {
      name: `rnn.bias_hh_${suffix}`,
      shape: [rows],
      role: { use: 'recurrent_bias', layer },
      decays: false,
      present: recurrent,
    },
    {
      name: `peephole.weight_${suffix}`,
      shape: [3, H],
      role: { use: 'peephole', layer },
      decays: true,
      present: layer.peephole === true,
    },
    {
      name: `norm.gain_ih_${suffix}`,
      shape: [rows],
      role: { use: 'recurrent_gain', layer },
      decays: false,
      present: norm,
    },
    {
      name: `norm.gain_hh_${suffix}`,
      shape: [rows],
      role: { use: 'recurrent_gain', layer },
      decays: false,
      present: norm && recurrent,
    },
    {
      name: `norm.gain_cell_${suffix}`,
      shape: [H],
      role: { use: 'cell_norm', layer },
      decays: false,
      present: norm && layer.cell === 'lstm',
    },
    {
      name: `norm.bias_cell_${suffix}`,
      shape: [H],
      role: { use: 'cell_norm', layer },
      decays: false,
      present: norm && layer.cell === 'lstm',
    },
  ];
  return entries.filter(({ present }) => present).map(({ present: _, ...entry }) => entry);
};

/** A table of rows: look-up of tokens, or one row for all. */
const rowsEntry = (name: string, rows: number, columns: number, decays: boolean): ParameterEntry => ({
  name,
  shape: [rows, columns],
  role: { use: 'embedding', rows, columns },
  decays,
});

const denseEntry = (name: string, outputs: number, inputs: number): ParameterEntry => ({
  name,
  shape: [outputs, inputs],
  role: { use: 'dense', outputs, inputs },
  decays: true,
});

const biasEntry = (name: string, size: number): ParameterEntry => ({
  name,
  shape: [size],
  role: { use: 'bias', size },
  decays: false,
});

/** What maps a port to `outputs` numbers: the weight of a linear layer, tokens being one-hot inputs that are looked up. */
const portEntry = (name: string, port: Port, outputs: number): ParameterEntry => {
  const entry = denseEntry(name, outputs, port.size);
  if (port.kind === 'vectors') return entry;
  return { ...entry, role: { use: 'embedding', rows: port.size, columns: outputs, transposed: true } };
};

const stateNames = (model: ModelOptions): ('h' | 'c')[] => (model.cell === 'lstm' ? ['h', 'c'] : ['h']);

/** First states, by layer: rows of one for learned ones, maps of the context where it gives them. */
const firstStateEntries = (model: ModelOptions, shape: NetworkShape): Entries => {
  const places = model.num_layers * directionsOf(model).length;
  const suffixes = Array.from({ length: places }, (_, place) => layerSuffix(model, place));
  const H = model.hidden_size;
  if (model.initial_state === 'learned')
    return suffixes.flatMap((suffix) =>
      stateNames(model).map((state) => rowsEntry(`initial_state.${state}_${suffix}`, 1, H, false)),
    );
  const { context } = shape;
  if (!context || model.context === null || model.context.inject === 'every_step') return [];
  return suffixes.flatMap((suffix) =>
    stateNames(model).flatMap((state) => [
      portEntry(`context.${state}_weight_${suffix}`, context, H),
      // A column for each label has its bias within.
      ...(context.kind === 'vectors' ? [biasEntry(`context.${state}_bias_${suffix}`, H)] : []),
    ]),
  );
};

/** What joins the gates' input sum of layer 0 at every step. */
const injectionEntries = (model: ModelOptions, shape: NetworkShape): Entries => {
  const rows = gateCount[model.cell] * model.hidden_size;
  const entries: Entries = [];
  if (shape.feedback) entries.push(portEntry('feedback.weight_l0', shape.feedback, rows));
  if (shape.context && model.context?.inject !== 'initial_state')
    entries.push(portEntry('context.weight', shape.context, rows));
  if (model.length === 'countdown') entries.push(denseEntry('length.input_weight', rows, countdownInputs));
  return entries;
};

/** The remaining length as a share of the longest, and whether it is known. */
export const countdownInputs = 2;

/** Outputs of the head that ends sequences; 0: none, the end is a token. */
export const lengthOutputs = (model: ModelOptions): number => {
  switch (model.length) {
    case 'eos':
      return 0;
    case 'bernoulli':
      return 1;
    case 'countdown':
      return model.max_length! + 1;
  }
};

/** Every parameter that is trained: those of PyTorch in the order of its `state_dict`, ours among them. A tied model has no `decoder.weight` of its own. */
export const parameterTable = (model: ModelOptions, shape: NetworkShape): ParameterEntry[] => {
  const { embedding_size: columns } = model;
  const top = outputWidth(model);
  const ending = lengthOutputs(model);
  const V = shape.output.size;
  return [
    ...(columns !== null && shape.input.kind === 'tokens'
      ? [rowsEntry('encoder.weight', shape.input.size, columns, true)]
      : []),
    ...recurrentLayers(model, shape).flatMap((layer, place) =>
      layerEntries(layer, layerSuffix(model, place)),
    ),
    ...firstStateEntries(model, shape),
    ...injectionEntries(model, shape),
    ...(ending > 0 ? [denseEntry('length.weight', ending, top), biasEntry('length.bias', ending)] : []),
    ...(model.tie_weights ? [] : [denseEntry('decoder.weight', V, top)]),
    biasEntry('decoder.bias', V),
  ];
};

/** What is part of a model but not trained: the running statistics of batch normalisation. */
export const bufferTable = (model: ModelOptions, shape: NetworkShape): Omit<ParameterEntry, 'decays'>[] =>
  recurrentLayers(model, shape).flatMap((layer, place) => {
    if (layer.norm !== 'batch') return [];
    const suffix = layerSuffix(model, place);
    const rows = gateCount[layer.cell] * layer.hiddenSize;
    const products = layer.recurrent === false ? 1 : 2;
    const columns = products * rows + (layer.cell === 'lstm' ? layer.hiddenSize : 0);
    const moments = { use: 'norm_statistics', layer, of: 'moments' } as const;
    return [
      { name: `norm.running_mean_${suffix}`, shape: [shape.normSteps, columns], role: moments },
      { name: `norm.running_var_${suffix}`, shape: [shape.normSteps, columns], role: moments },
      {
        name: `norm.num_batches_${suffix}`,
        shape: [shape.normSteps, 1],
        role: { use: 'norm_statistics', layer, of: 'batches' } as const,
      },
    ];
  });

export const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/** Trained numbers of a model; tied weights count once. */
export const countParameters = (model: ModelOptions, shape: NetworkShape): number =>
  parameterTable(model, shape).reduce((sum, entry) => sum + elementCount(entry.shape), 0);
