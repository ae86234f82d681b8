// A character language model's full training step on a backend: forward over T steps, loss, backpropagation through time, clipping by
// norm, Adam; states flow from step to step. What `bench:train` and `bench:compare` time.
import { createModel, createStates } from './model.mjs';

/** Sequences of a batch and steps of a chunk where nobody asks for others. */
export const usualBatch = { batch: 64, steps: 64 };

/** Makes the model and returns { step(), loss() }: one training step at a call. */
export function createTraining(backend, model, { batch: N, steps: T }) {
  const { hidden: H, vocabulary: V } = model;
  const made = createModel(backend, model);
  const { weight, bias, parameters, next } = made;
  const states = createStates(backend, made, N);
  const stack = made.stack.map((own, k) => ({
    ...own,
    ...states[k],
    saved: backend.createSaved(own.layer, T, N),
    output: backend.createTensor([T, N, H]),
  }));
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
