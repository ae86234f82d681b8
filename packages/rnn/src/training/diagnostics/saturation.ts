import type { Activation, RecurrentLayer, Tensor } from '@unfold/kernels';
import { type Network, upload } from '../../model/network.ts';
import { gateNames } from './gradients-through-time.ts';

/**
 * The share of a gate's activations that lie at its ends: within a tenth of 0 or 1 for the logistic function (Karpathy, Johnson and Li 2015), of −1 or 1 for
 * tanh and softsign; for relu `low` is the share of zeros and `high` is 0.
 */
export interface Saturation {
  low: number;
  high: number;
}

const functions: Record<Activation, { of: (x: number) => number; low: number; high: number }> = {
  sigmoid: { of: (x) => 1 / (1 + Math.exp(-x)), low: 0.1, high: 0.9 },
  tanh: { of: Math.tanh, low: -0.9, high: 0.9 },
  softsign: { of: (x) => x / (1 + Math.abs(x)), low: -0.9, high: 0.9 },
  relu: { of: (x) => Math.max(0, x), low: 0, high: Number.POSITIVE_INFINITY },
};

const activationOf = (layer: RecurrentLayer, gate: string): Activation => {
  if (gate === 'h') return layer.activation ?? 'tanh';
  if (gate === 'g') return layer.candidateActivation ?? 'tanh';
  return gate === 'n' ? 'tanh' : 'sigmoid';
};

/** Whether the gates are functions of x_t and h_{t−1} by themselves, as they are written out here. */
const isPlain = ({ peephole, reset, norm, recurrent }: RecurrentLayer): boolean =>
  !peephole && reset !== 'before' && (norm ?? 'none') === 'none' && recurrent !== false;

/** Rows [R,K] times a weight [P,K], transposed, on the backend: [R,P]. */
const product = async (
  { backend }: Network,
  rows: { values: Float32Array | Float64Array; count: number },
  weight: Float32Array | Float64Array,
): Promise<ArrayLike<number>> => {
  const K = rows.values.length / rows.count;
  const P = weight.length / K;
  const [a, b, output] = [
    [rows.count, K],
    [P, K],
    [rows.count, P],
  ].map((shape) => backend.createTensor(shape));
  try {
    upload(backend, a!, rows.values);
    upload(backend, b!, weight);
    backend.matmul({ a: a!, b: b!, transposeB: true, output: output! });
    return await backend.download(output!);
  } finally {
    backend.release(a!, b!, output!);
  }
};

const real = (values: ArrayLike<number>): Float64Array => Float64Array.from(values);

/**
 * Saturated shares by gate of one layer.
 * @param input [T,N,C], or the tokens [T,N]
 * @param outputs h_1 … h_T, [T,N,H]
 * @param first h_0, [N,H]
 * @returns null for a layer whose gates have more inputs than x_t and h_{t−1} (peepholes, normalisation, a reset before the product;
 * in the lowest one what joins its input)
 */
export const saturationOf = async (
  network: Network,
  k: number,
  input: Tensor,
  outputs: Tensor,
  first: Tensor,
): Promise<Record<string, Saturation> | null> => {
  const { backend } = network;
  const layer = network.layers[k]!;
  const { feedback, context, countdown } = network.parameters;
  if (!isPlain(layer) || (k === 0 && (feedback ?? context ?? countdown))) return null;
  const parameters = network.parameters.recurrent[k]!;
  const [T, N, H] = outputs.shape as [number, number, number];
  const rows = T * N;
  const names = gateNames[layer.cell];
  const width = names.length * H;
  const weightIh = real(await backend.download(parameters.weightIh));
  const [biasIh, biasHh] = [
    await backend.download(parameters.biasIh),
    await backend.download(parameters.biasHh!),
  ];
  const before = new Float64Array(rows * H);
  before.set(real(await backend.download(first)));
  before.set(real(await backend.download(outputs)).subarray(0, (T - 1) * N * H), N * H);
  const weightHh = real(await backend.download(parameters.weightHh!));
  const fromHidden = await product(network, { values: before, count: rows }, weightHh);
  const inputs = await backend.download(input);
  const fromInput =
    layer.input === 'tokens' ? null : await product(network, { values: real(inputs), count: rows }, weightIh);

  const counts = names.map(() => ({ low: 0, high: 0 }));
  for (let row = 0; row < rows; row++) {
    /** Everything that reaches column j but W h, and W h. */
    const fed = (j: number): number =>
      (fromInput ? fromInput[row * width + j]! : weightIh[j * layer.inputSize + inputs[row]!]!) + biasIh[j]!;
    const recurrent = (j: number): number => fromHidden[row * width + j]! + biasHh[j]!;
    for (let gate = 0; gate < names.length; gate++) {
      const { of, low, high } = functions[activationOf(layer, names[gate]!)];
      const count = counts[gate]!;
      for (let unit = 0; unit < H; unit++) {
        const j = gate * H + unit;
        // A GRU's reset gate r stands before the recurrent half of n.
        const open = names[gate] === 'n' ? functions.sigmoid.of(fed(unit) + recurrent(unit)) : 1;
        const value = of(fed(j) + open * recurrent(j));
        if (value <= low) count.low++;
        if (value >= high) count.high++;
      }
    }
  }
  const share = (count: number): number => count / (rows * H);
  return Object.fromEntries(
    names.map((name, gate) => [name, { low: share(counts[gate]!.low), high: share(counts[gate]!.high) }]),
  );
};
