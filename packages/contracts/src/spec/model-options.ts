import { z } from 'zod';
import { specLimits } from './limits.ts';
import { dropRate } from './numbers.ts';

const nonlinearity = z.enum(['tanh', 'relu', 'sigmoid', 'softsign']);

const context = z
  .strictObject({
    inject: z.enum(['every_step', 'initial_state', 'both']).default('every_step').meta({
      description:
        'every_step: an extra input at each time step; initial_state: h_0 = tanh(A x + a) and c_0 = B x + b, layer by layer.',
    }),
  })
  .meta({ id: 'ContextOptions' });

const network = {
  cell: z.enum(['elman', 'lstm', 'gru']).default('lstm').meta({
    description: 'What a layer computes at each time step. An LSTM starts with a forget bias of 1.',
  }),
  recurrence: z
    .enum(['hidden', 'output', 'both'])
    .default('hidden')
    .meta({
      description:
        'Which arrows go from one step to the next. hidden: from the hidden units to themselves; output: from the output to the ' +
        'hidden units of layer 0 only (Elman), which trains all time steps in parallel under teacher forcing; both.',
    }),
  activation: nonlinearity.default('tanh').meta({ description: 'φ of an Elman network.' }),
  candidate_activation: nonlinearity
    .default('tanh')
    .meta({ description: "What squashes an LSTM's candidate g." }),
  peephole: z.boolean().default(false).meta({
    description: "An LSTM's input and forget gates see c of the step before, its output gate the new c.",
  }),
  reset: z.enum(['after', 'before']).default('after').meta({
    description:
      "Whether a GRU's reset gate acts after the product with the hidden state, as in PyTorch, or before it.",
  }),
  norm: z
    .enum(['none', 'layer', 'batch'])
    .default('none')
    .meta({
      description:
        'layer: layer normalization (Ba et al. 2016); batch: recurrent batch normalization (Cooijmans et al. 2016), for ' +
        'sequences that start afresh in each batch, at least two of them.',
    }),
  bidirectional: z.boolean().default(false).meta({
    description: 'Each layer also reads the sequence from its end: for labeling and classification.',
  }),
};

const sizes = {
  hidden_size: z
    .int()
    .min(1)
    .max(specLimits.hidden_size)
    .default(256)
    .meta({ description: 'Hidden units of a layer (and direction).' }),
  num_layers: z
    .int()
    .min(1)
    .max(specLimits.num_layers)
    .default(2)
    .meta({ description: 'Recurrent layers, each reading the one below.' }),
  embedding_size: z.int().min(1).max(specLimits.embedding_size).nullable().default(null).meta({
    description: 'Width of the token embedding. null: one-hot input.',
  }),
  tie_weights: z
    .boolean()
    .default(false)
    .meta({ description: 'The output layer shares the embedding: needs embedding_size = hidden_size.' }),
};

const regularisation = {
  dropout: dropRate.default(0).meta({
    description: 'Between layers, as PyTorch does it: a new mask at each time step.',
  }),
  variational_dropout: dropRate.default(0).meta({
    description: 'Between layers, with one mask for all time steps of a sequence (Gal and Ghahramani 2016).',
  }),
  recurrent_dropout: dropRate.default(0).meta({
    description: 'On the candidate of an LSTM or GRU (Semeniuta et al. 2016).',
  }),
  zoneout: dropRate.default(0).meta({
    description:
      'How often a unit keeps its state of the step before (Krueger et al. 2017); the expectation of that at inference.',
  }),
};

const starts = {
  init: z
    .enum(['orthogonal', 'pytorch', 'identity'])
    .default('orthogonal')
    .meta({
      description:
        "orthogonal: orthogonal recurrent weights per gate, Glorot's uniform for the others; pytorch: uniform within 1/√hidden_size; " +
        'identity: recurrent weights start as the identity (with relu: IRNN), for Elman networks.',
    }),
  initial_state: z
    .enum(['zeros', 'learned'])
    .default('zeros')
    .meta({ description: 'The state before the first step: zeros, or trained with the network.' }),
};

const sequences = {
  context: context.nullable().default(null).meta({
    description:
      'How the context of a `conditional_generation` enters the network; there null means every_step.',
  }),
  length: z
    .enum(['eos', 'bernoulli', 'countdown'])
    .default('eos')
    .meta({
      description:
        'How a generated sequence ends; an endless text has no end. eos: an end symbol is predicted; bernoulli: before each token the ' +
        'network decides whether to halt; countdown: it predicts how many tokens remain.',
    }),
  max_length: z.int().min(1).max(specLimits.sequence_length).nullable().default(null).meta({
    description: 'Tokens of the longest sequence that a `countdown` can count. It is needed there.',
  }),
  renew: z.boolean().default(true).meta({
    description:
      'Whether a `countdown` is drawn anew at each step of a generated sequence, or only once at its start.',
  }),
};

export const modelOptions = z
  .strictObject({ ...network, ...sizes, ...regularisation, ...starts, ...sequences })
  .meta({ id: 'ModelOptions', description: 'The network.' });

export type ModelOptions = z.output<typeof modelOptions>;
