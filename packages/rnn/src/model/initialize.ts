import type { ModelOptions } from '@unfold/contracts';
import { createRandomStream, type RandomStream, randomPurposes } from '@unfold/kernels';
import { elementCount, gateCount, type ParameterEntry } from './parameter-table.ts';

const fillUniform = (values: Float64Array, bound: number, random: RandomStream): void => {
  for (let k = 0; k < values.length; k++) values[k] = (2 * random.uniform() - 1) * bound;
};

/** Glorot and Bengio 2010, equation 16. */
const glorotBound = (outputs: number, inputs: number): number => Math.sqrt(6 / (outputs + inputs));

/**
 * A random orthogonal matrix [n,n], uniform over all of them: Gram–Schmidt on Gaussian rows (Saxe et al. 2014 start recurrent
 * weights so). Done twice where a row lost most of its length, which keeps it orthogonal to the last bit that matters.
 */
export const orthogonalMatrix = (n: number, random: RandomStream): Float64Array => {
  const matrix = new Float64Array(n * n);
  const rows = Array.from({ length: n }, (_, r) => matrix.subarray(r * n, (r + 1) * n));
  const dot = (a: Float64Array, b: Float64Array): number => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += a[k]! * b[k]!;
    return sum;
  };
  rows.forEach((row, r) => {
    for (let k = 0; k < n; k++) row[k] = random.normal();
    for (let pass = 0; pass < 2; pass++) {
      const before = dot(row, row);
      for (let q = 0; q < r; q++) {
        const earlier = rows[q]!;
        const along = dot(row, earlier);
        for (let k = 0; k < n; k++) row[k]! -= along * earlier[k]!;
      }
      if (dot(row, row) > 0.01 * before) break;
    }
    const length = Math.sqrt(dot(row, row));
    for (let k = 0; k < n; k++) row[k]! /= length;
  });
  return matrix;
};

/** Le, Jaitly and Hinton 2015: with relu and zero biases a network (IRNN) then begins by copying its state. */
const identityMatrix = (n: number): Float64Array => {
  const matrix = new Float64Array(n * n);
  for (let k = 0; k < n; k++) matrix[k * n + k] = 1;
  return matrix;
};

/** Gains start at 1, those of batch normalisation at 0.1 (Cooijmans et al. 2016); its bias at 0. */
const fillNorm = (values: Float64Array, name: string, model: ModelOptions): void => {
  if (!name.startsWith('norm.bias_')) values.fill(model.norm === 'batch' ? 0.1 : 1);
};

const orthogonalStart = (
  { name, shape, role }: ParameterEntry,
  model: ModelOptions,
  random: RandomStream,
): Float64Array => {
  const values = new Float64Array(elementCount(shape));
  const H = model.hidden_size;
  switch (role.use) {
    case 'embedding':
      // A table is a weight of one-hot inputs, but for that of what a token means.
      if (name === 'encoder.weight') fillUniform(values, 0.1, random);
      else if (!name.startsWith('initial_state.')) fillUniform(values, glorotBound(H, shape[1]!), random);
      break;
    case 'weight_ih':
      fillUniform(values, glorotBound(H, shape[1]!), random);
      break;
    case 'weight_hh':
      for (let gate = 0; gate < gateCount[model.cell]; gate++)
        values.set(model.init === 'identity' ? identityMatrix(H) : orthogonalMatrix(H, random), gate * H * H);
      break;
    case 'recurrent_bias':
      // Jozefowicz et al. 2015: an LSTM should begin by remembering. The forget gate is block 1.
      if (model.cell === 'lstm' && name.startsWith('rnn.bias_ih')) values.fill(1, H, 2 * H);
      break;
    case 'dense':
      fillUniform(values, glorotBound(shape[0]!, shape[1]!), random);
      break;
    case 'recurrent_gain':
    case 'cell_norm':
      fillNorm(values, name, model);
      break;
    case 'bias':
    case 'peephole':
    case 'norm_statistics':
      break;
  }
  return values;
};

/** What torch.nn.Embedding, torch.nn.LSTM, GRU, RNN and torch.nn.Linear do by themselves. */
const pytorchStart = (
  { name, shape, role }: ParameterEntry,
  model: ModelOptions,
  random: RandomStream,
): Float64Array => {
  const values = new Float64Array(elementCount(shape));
  if (name.startsWith('initial_state.')) return values;
  if (role.use === 'recurrent_gain' || role.use === 'cell_norm') fillNorm(values, name, model);
  else if (name === 'encoder.weight') for (let k = 0; k < values.length; k++) values[k] = random.normal();
  else fillUniform(values, 1 / Math.sqrt(model.hidden_size), random);
  return values;
};

/**
 * The start of one parameter, in PyTorch's layout. Each parameter draws from a stream of its own.
 * @param index its place in the parameter table
 */
export const initialValues = (
  entry: ParameterEntry,
  index: number,
  model: ModelOptions,
  seed: number,
): Float64Array => {
  const random = createRandomStream({ seed, purpose: randomPurposes.initialization, layer: index });
  return (model.init === 'pytorch' ? pytorchStart : orthogonalStart)(entry, model, random);
};
