import type { HostBatch } from './data/feed.ts';
import { pad } from './data/records/batch-layout.ts';
import { ForwardPass } from './model/forward-pass.ts';
import type { Network } from './model/network.ts';
import { inputWithin } from './model/pass-batch.ts';
import { createState, releaseState } from './model/recurrent-state.ts';
import { chunkSteps } from './rows/chunk-reader.ts';
import { BatchTensors } from './training/batch-tensors.ts';

export type Values = Float32Array | Float64Array;
type Inputs = Int32Array | Float32Array;

/** An input as the network reads it, and its place in the list. */
export interface EncodedInput {
  k: number;
  steps: number;
  parts: Inputs[];
}

/** Inputs that are read at once, and their time steps with padding, but for one that is longer by itself. */
const largestGroup = 16;
const mostSteps = 4096;

/** Inputs of similar lengths together, the longest first. */
export const groupsOf = (network: Network, inputs: readonly EncodedInput[]): EncodedInput[][] => {
  // What is read both ways is read without a pause.
  const most = network.model.bidirectional ? chunkSteps(network) : mostSteps;
  const groups: EncodedInput[][] = [];
  for (const input of [...inputs].sort((a, b) => b.steps - a.steps)) {
    const last = groups.at(-1);
    const fits = last && last.length < largestGroup && (last.length + 1) * last[0]!.steps <= most;
    if (fits) last.push(input);
    else groups.push([input]);
  }
  return groups;
};

/** Sequences side by side, with nothing to learn. @param lengths null: all have `steps` */
export const batchOf = (
  { shape }: Network,
  inputs: readonly Inputs[],
  steps: number,
  lengths: Int32Array | null,
): HostBatch => {
  const rows = inputs.length;
  const width = shape.input.kind === 'tokens' ? 1 : shape.input.size;
  const outputs = rows * (shape.outputAt === 'end' ? 1 : steps);
  const discrete = shape.loss === 'softmax';
  return {
    steps,
    lengths,
    sequences: null,
    inputs: pad([...inputs], steps, width, 0),
    targets: discrete ? new Int32Array(outputs).fill(-1) : new Float32Array(outputs * shape.output.size),
    mask: discrete ? null : new Int32Array(outputs),
    count: 1,
    context: null,
    tokens: steps,
  };
};

/**
 * What a network that is fed nothing says of each sequence of a group, probabilities where it chooses: [V], or [T,V] where there is an output a
 * step. It reads a chunk of steps at a time, but for a network that reads both ways, which needs the end before it can say anything.
 * @param turn awaited between chunks; false once nobody waits for the answer
 * @returns null: nobody waits
 */
export const predictGroup = async (
  network: Network,
  group: readonly EncodedInput[],
  turn: () => Promise<boolean>,
): Promise<Values[] | null> => {
  const { backend, shape, model } = network;
  const N = group.length;
  const V = shape.output.size;
  const steps = group[0]!.steps;
  const lengths = group.some((each) => each.steps < steps)
    ? Int32Array.from(group, (each) => each.steps)
    : null;
  const inputs = group.map(({ parts }) => parts[0]!);
  const chunk = model.bidirectional
    ? steps
    : Math.max(1, Math.min(steps, Math.floor(chunkSteps(network) / N)));
  const tensors = new BatchTensors(network, { longest: steps, sequences: N, continues: true });
  const pass = new ForwardPass(network, chunk, N);
  const state = createState(network, N);
  const end = shape.outputAt === 'end';
  const rows = backend.createTensor(end ? [N, V] : [steps, N, V]);
  try {
    const batch = tensors.load(batchOf(network, inputs, steps, lengths));
    pass.begin(state);
    for (let first = 0; first < steps; first += chunk) {
      if (first > 0 && !(await turn())) return null;
      const count = Math.min(chunk, steps - first);
      const hidden = pass.hidden({ ...inputWithin(backend, batch, first, count), firstStep: first }, state);
      if (!end) pass.logits(hidden, backend.view(rows, first, count));
      else if (first + count === steps) pass.logits(hidden, rows);
    }
    if (shape.loss === 'softmax') backend.softmax({ logits: rows, output: rows });
    const values = (await backend.download(rows)) as Values;
    return group.map((each, n) => {
      const own = new (values.constructor as Float32ArrayConstructor)(end ? V : each.steps * V);
      for (let t = 0; t < own.length / V; t++)
        own.set(values.subarray((t * N + n) * V, (t * N + n + 1) * V), t * V);
      return own;
    });
  } finally {
    tensors.release();
    pass.release();
    releaseState(backend, state);
    backend.release(rows);
  }
};
