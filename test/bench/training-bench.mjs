// A character language model's full training step on a backend: forward over T steps, loss, backpropagation through time, clipping by
// norm, Adam; states flow from step to step. What `bench:train` and `bench:compare` time.
import { cpus } from 'node:os';

export const vocabulary = 96;
export const sequences = 64;
export const steps = 64;

export const sizes = {
  S: { layers: 1, hidden: 128 },
  M: { layers: 2, hidden: 256 },
  L: { layers: 2, hidden: 512 },
};

const gateBlocks = { elman: 1, gru: 3, lstm: 4 };

/** Multiply-adds per token of the products that must be done: the first layer's input is a look-up. */
export function multiplyAdds(cell, { layers, hidden }) {
  const recurrent = layers * hidden * hidden;
  const between = (layers - 1) * hidden * hidden;
  return gateBlocks[cell] * (recurrent + between) + hidden * vocabulary;
}

/** Repeatable numbers in (−1, 1). */
function createNumbers() {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2147483648 - 1;
  };
}

/** Makes the model and returns { step(), loss() }: one training step at a call. */
export function createTraining(backend, cell, { layers, hidden }) {
  const [T, N, V, H] = [steps, sequences, vocabulary, hidden];
  const next = createNumbers();
  const bound = 1 / Math.sqrt(H);
  const parameters = [];
  function parameter(role) {
    const made = backend.createParameter(role);
    backend.upload(
      made,
      Float32Array.from({ length: made.shape.reduce((a, b) => a * b, 1) }, () => next() * bound),
    );
    parameters.push(made);
    return made;
  }
  const stack = Array.from({ length: layers }, (_, k) => {
    const layer = { cell, inputSize: k === 0 ? V : H, hiddenSize: H, input: k === 0 ? 'tokens' : 'dense' };
    return {
      layer,
      parameters: {
        weightIh: parameter({ use: 'weight_ih', layer }),
        weightHh: parameter({ use: 'weight_hh', layer }),
        biasIh: parameter({ use: 'recurrent_bias', layer }),
        biasHh: parameter({ use: 'recurrent_bias', layer }),
      },
      saved: backend.createSaved(layer, T, N),
      output: backend.createTensor([T, N, H]),
      h: backend.createTensor([N, H]),
      c: cell === 'lstm' ? backend.createTensor([N, H]) : null,
    };
  });
  const weight = parameter({ use: 'dense', outputs: V, inputs: H });
  const bias = parameter({ use: 'bias', size: V });
  const gradients = new Map(parameters.map((each) => [each, backend.like(each)]));
  const all = [...gradients.values()];
  const entries = parameters.map((each) => ({
    parameter: each,
    gradient: gradients.get(each),
    first: backend.like(each),
    second: backend.like(each),
    weightDecay: 0,
  }));
  const ids = Int32Array.from({ length: T * N }, () => Math.floor(((next() + 1) / 2) * V) % V);
  const input = backend.createTensor([T, N], 'int');
  const targets = backend.createTensor([T, N], 'int');
  backend.upload(input, ids);
  backend.upload(
    targets,
    ids.map((id) => (id * 7 + 3) % V),
  );
  const logits = backend.createTensor([T, N, V]);
  const dOutput = backend.createTensor([T, N, H]);
  const [loss, norm] = [backend.createTensor([1], 'double'), backend.createTensor([1], 'double')];
  const none = { dhT: null, dcT: null, dh0: null, dc0: null };
  const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  let count = 0;

  function step() {
    backend.zero(...all);
    let below = input;
    for (const { layer, parameters: own, saved, output, h, c } of stack) {
      backend.recurrentForward({
        layer,
        parameters: own,
        input: below,
        h0: h,
        c0: c,
        output,
        hT: h,
        cT: c,
        saved,
      });
      below = output;
    }
    backend.denseForward({ input: below, weight, bias, output: logits });
    backend.softmaxCrossEntropy({ logits, targets, count: T * N, loss, losses: null, dLogits: logits });
    backend.denseBackward({
      input: below,
      weight,
      dOutput: logits,
      dInput: dOutput,
      dWeight: gradients.get(weight),
      dBias: gradients.get(bias),
    });
    for (const { layer, parameters: own, saved } of stack.toReversed())
      backend.recurrentBackward({
        layer,
        parameters: own,
        gradients: Object.fromEntries(Object.entries(own).map(([name, each]) => [name, gradients.get(each)])),
        saved,
        dOutput,
        dInput: layer.input === 'tokens' ? null : dOutput,
        ...none,
      });
    backend.globalNorm({ tensors: all, norm });
    backend.clipByNorm({ tensors: all, norm, maximum: 5 });
    backend.adamStep({ entries, step: ++count, ...adam });
  }
  return { step, loss: async () => (await backend.download(loss))[0] };
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Times calls of `work` for about `seconds`, after a warm-up: seconds per call, all of them. */
export async function time(work, backend, seconds) {
  for (let i = 0; i < 3; i++) work();
  await backend.synchronize();
  const times = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end || times.length < 5) {
    const start = performance.now();
    work();
    await backend.synchronize();
    times.push((performance.now() - start) / 1000);
  }
  return times;
}

/** Multiply-adds per second of a loop on registers alone, the best of some runs; null where the engine has no such loop. */
export function measureCeiling(backend) {
  if (!backend.measureCeiling) return null;
  return Math.max(...Array.from({ length: 7 }, () => backend.measureCeiling()));
}

/** Command-line options of the form --name value, or --name alone; the rest is refused. */
export function readOptions(known) {
  const options = {};
  const words = process.argv.slice(2);
  for (let i = 0; i < words.length; i++) {
    const name = words[i].replace(/^--/, '');
    if (!words[i].startsWith('--') || !(name in known)) {
      console.error(
        `Unknown option ${words[i]}. Known: ${Object.keys(known)
          .map((each) => `--${each}`)
          .join(' ')}`,
      );
      process.exit(2);
    }
    options[name] = known[name] === false ? true : words[++i];
  }
  return { ...known, ...options };
}

export function describeMachine() {
  return `${cpus()[0]?.model ?? 'unknown processor'} × ${cpus().length}`;
}
