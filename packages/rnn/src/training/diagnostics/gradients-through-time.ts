import type { RecurrentGradients, RecurrentLayer, RecurrentParameters, Tensor } from '@unfold/kernels';
import { FirstState } from '../../model/first-state.ts';
import { outputHead } from '../../model/head.ts';
import { Injection, type Sources } from '../../model/injection.ts';
import { type Network, upload } from '../../model/network.ts';
import type { gateCount } from '../../model/parameter-table.ts';

/** How much a layer's states still matter, by lag: entry k is of time step T − k. Null where there is no cell state. */
export interface LayerGradients {
  layer: number;
  h: number[];
  c: number[] | null;
}

/** Sequences of T steps from their beginnings. */
export interface DiagnosedSequences {
  /** int [T,N] or real [T,N,C]. */
  inputs: Tensor;
  /** Of the last step, int [1,N] or real [1,N,V]; or of the whole sequences, int [N], where they have one output. */
  targets: Tensor;
  sources: Partial<Sources>;
}

const frozen: RecurrentGradients = { weightIh: null, biasIh: null, weightHh: null, biasHh: null };

/** Beyond this a logistic gate is 0 or 1 to the last bit. */
const shut = 200;

/**
 * An LSTM's layer whose input gate is shut and whose forget gate is open, whatever it reads: it hands c_{t−1} on to c_t untouched, so that the
 * gradient that it gives for c_{t−1} is that of c_t itself, the way through h_t = o tanh(c_t) included.
 */
const holdCell = async ({ backend }: Network, layer: RecurrentLayer, parameters: RecurrentParameters) => {
  const H = layer.hiddenSize;
  const bias = Float64Array.from(await backend.download(parameters.biasIh));
  for (let k = 0; k < H; k++) {
    bias[k]! -= shut;
    bias[H + k]! += shut;
  }
  const biasIh = backend.like(parameters.biasIh);
  upload(backend, biasIh, bias);
  return { ...parameters, biasIh };
};

/** Root of the mean over sequences of the squared length of their rows in the sum of `tensors`. */
const lengthOf = (values: ArrayLike<number>[], sequences: number): number => {
  let sum = 0;
  for (let k = 0; k < values[0]!.length; k++) {
    let value = 0;
    for (const each of values) value += each[k]!;
    sum += value * value;
  }
  return Math.sqrt(sum / sequences);
};

/**
 * ‖∂L_T / ∂h_{T−k}‖ and ‖∂L_T / ∂c_{T−k}‖ by lag and layer, L_T being the loss of the last time step alone: with the summed loss every step would
 * bring a gradient of its own, and nothing would be seen to vanish. Sequences begin here; there is no dropout. Of several sequences,
 * each with its own L_T, the root mean square is told. The steps go through the kernels one by one, backwards.
 * @param observe sees every layer's input, outputs [T,N,H] and first state [N,H]
 * @returns layers bottom first
 */
export const gradientsThroughTime = async (
  network: Network,
  { inputs, targets, sources }: DiagnosedSequences,
  observe: (layer: number, input: Tensor, outputs: Tensor, first: Tensor) => Promise<void> = async () => {},
): Promise<LayerGradients[]> => {
  const { backend, layers, parameters, model, shape } = network;
  const [T, N] = inputs.shape as [number, number];
  const H = model.hidden_size;
  const made: Tensor[] = [];
  const create = (shape: number[], type?: 'double'): Tensor => {
    const tensor = backend.createTensor(shape, type);
    made.push(tensor);
    return tensor;
  };
  const pairs = layers.map(({ cell }) => ({
    outputs: create([T, N, H]),
    h: Array.from({ length: T + 1 }, () => create([N, H])),
    c: cell === 'lstm' ? Array.from({ length: T + 1 }, () => create([N, H])) : null,
    dh: create([N, H]),
    dc: cell === 'lstm' ? create([N, H]) : null,
    dInput: create([1, N, H]),
  }));
  const saved = layers.map((layer) => Array.from({ length: T }, () => backend.createSaved(layer, 1, N)));
  const probes = layers.map((layer) => (layer.cell === 'lstm' ? backend.createSaved(layer, 1, N) : null));
  const held = await Promise.all(
    layers.map((layer, k) =>
      layer.cell === 'lstm' ? holdCell(network, layer, parameters.recurrent[k]!) : null,
    ),
  );
  const embedded = parameters.encoder && create([T, N, layers[0]!.inputSize]);
  const scratch = { output: create([1, N, H]), dc: create([N, H]), h: create([N, H]), c: create([N, H]) };
  const head = outputHead(network, 1, N);
  const firstState = new FirstState(network, N);
  const injection = new Injection(network, T, N);
  const injected = injection.forward(sources, T);
  const injectedAt = (k: number, t: number): Tensor | null =>
    k === 0 && injected ? backend.view(injected, t, 1) : null;
  const loss = create([1], 'double');

  const inputAt = (k: number, t: number): Tensor =>
    backend.view(k > 0 ? pairs[k - 1]!.outputs : (embedded ?? inputs), t, 1);

  /** The gradient of c_t [N,H], from the gradients that arrive at h_t and c_t. */
  const cellGradient = async (k: number, t: number, above: Tensor | null): Promise<ArrayLike<number>> => {
    const { h, c, dh, dc } = pairs[k]!;
    const layer = layers[k]!;
    const own = { layer, parameters: held[k]!, saved: probes[k]! };
    backend.recurrentForward({
      ...own,
      input: inputAt(k, t),
      injected: injectedAt(k, t),
      h0: h[t]!,
      c0: c![t + 1]!,
      output: scratch.output,
      hT: scratch.h,
      cT: scratch.c,
    });
    backend.recurrentBackward({
      ...own,
      gradients: frozen,
      dOutput: above,
      dhT: dh,
      dcT: dc,
      dInput: null,
      dh0: null,
      dc0: scratch.dc,
    });
    return backend.download(scratch.dc);
  };

  try {
    if (embedded) backend.embeddingForward({ table: parameters.encoder!, tokens: inputs, output: embedded });
    firstState.set(
      { h: pairs.map(({ h }) => h[0]!), c: pairs.map(({ c }) => c && c[0]!) },
      sources.context ?? null,
    );
    for (let t = 0; t < T; t++)
      layers.forEach((layer, k) => {
        const { outputs, h, c } = pairs[k]!;
        backend.recurrentForward({
          layer,
          parameters: parameters.recurrent[k]!,
          input: inputAt(k, t),
          injected: injectedAt(k, t),
          h0: h[t]!,
          c0: c && c[t]!,
          output: backend.view(outputs, t, 1),
          hT: h[t + 1]!,
          cT: c && c[t + 1]!,
          saved: saved[k]![t]!,
        });
      });

    for (const [k, { outputs, h }] of pairs.entries())
      await observe(k, k > 0 ? pairs[k - 1]!.outputs : (embedded ?? inputs), outputs, h[0]!);

    const top = pairs.at(-1)!;
    const ends = shape.outputAt === 'end';
    const dTop = ends ? null : create([1, N, H]);
    head.run(
      ends ? top.h[T]! : backend.view(top.outputs, T - 1, 1),
      // A count of 1: every sequence has a loss of its own.
      { targets, mask: null, count: 1 },
      { loss, correct: null, losses: null },
      { weight: null, bias: null, dHidden: dTop ?? top.dh, adds: false },
    );

    const found: LayerGradients[] = layers.map(({ cell }, layer) => ({
      layer,
      h: [],
      c: cell === 'lstm' ? [] : null,
    }));
    for (let t = T - 1; t >= 0; t--) {
      let above = t === T - 1 ? dTop : null;
      for (let k = layers.length - 1; k >= 0; k--) {
        const { dh, dc, dInput } = pairs[k]!;
        const arrived = [dh, ...(above ? [above] : [])].map((tensor) => backend.download(tensor));
        found[k]!.h.push(lengthOf(await Promise.all(arrived), N));
        if (dc) found[k]!.c!.push(lengthOf([await cellGradient(k, t, above)], N));
        backend.recurrentBackward({
          layer: layers[k]!,
          parameters: parameters.recurrent[k]!,
          gradients: frozen,
          saved: saved[k]![t]!,
          dOutput: above,
          dhT: dh,
          dcT: dc,
          dInput: k > 0 ? dInput : null,
          dh0: dh,
          dc0: dc,
        });
        above = dInput;
      }
    }
    return found;
  } finally {
    head.release();
    firstState.release();
    injection.release();
    backend.release(...made, ...saved.flat(), ...probes.filter((probe) => probe !== null));
    backend.release(...held.flatMap((layer) => (layer ? [layer.biasIh] : [])));
  }
};

/** Names of a cell's gates in PyTorch's order. */
export const gateNames: Readonly<Record<keyof typeof gateCount, readonly string[]>> = {
  elman: ['h'],
  gru: ['r', 'z', 'n'],
  lstm: ['i', 'f', 'g', 'o'],
};
