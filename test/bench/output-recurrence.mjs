// Teacher-forced output recurrence, h_t = tanh(U x_t + R f_{t−1} + b): what is fed comes from the data, so that no step waits for another and a
// training step is a few products over all T · N rows. What `bench:train -- --network output` times, in full training steps: x are tokens, which
// are looked up, and f vectors of numbers, as many as the network has hidden units, so that R's product is as large as that of a
// recurrent matrix.
import { createNumbers } from './model.mjs';

/** Makes the network and returns { step(), loss(), operationsPerToken }. */
export function createOutputRecurrence(
  backend,
  { hidden: H, vocabulary: V, layers: depth },
  { batch: N, steps: T },
) {
  const next = createNumbers();
  const parameters = [];
  const gradients = new Map();
  function parameter(role) {
    const made = backend.createParameter(role);
    const size = made.shape.reduce((a, b) => a * b, 1);
    backend.upload(
      made,
      Float32Array.from({ length: size }, () => next() / Math.sqrt(H)),
    );
    parameters.push(made);
    gradients.set(made, backend.like(made));
    return made;
  }
  const real = (width) => backend.createTensor([T, N, width]);
  const stack = Array.from({ length: depth }, (_, k) => {
    const layer = {
      cell: 'elman',
      recurrent: false,
      inputSize: k === 0 ? V : H,
      hiddenSize: H,
      input: k === 0 ? 'tokens' : 'dense',
    };
    const own = {
      weightIh: parameter({ use: 'weight_ih', layer }),
      biasIh: parameter({ use: 'recurrent_bias', layer }),
      weightHh: null,
      biasHh: null,
    };
    return {
      layer,
      parameters: own,
      gradients: { ...own, weightIh: gradients.get(own.weightIh), biasIh: gradients.get(own.biasIh) },
      saved: backend.createSaved(layer, T, N),
      output: real(H),
    };
  });
  const feedback = parameter({ use: 'dense', outputs: H, inputs: H });
  const weight = parameter({ use: 'dense', outputs: V, inputs: H });
  const bias = parameter({ use: 'bias', size: V });
  const all = [...gradients.values()];
  const entries = parameters.map((each) => ({
    parameter: each,
    gradient: gradients.get(each),
    first: backend.like(each),
    second: backend.like(each),
    weightDecay: 0,
  }));
  const ids = (place) => Int32Array.from({ length: T * N }, (_, i) => (i * 7 + place) % V);
  const input = backend.createTensor([T, N], 'int');
  const targets = backend.createTensor([T, N], 'int');
  backend.upload(input, ids(0));
  backend.upload(targets, ids(3));
  const forced = real(H);
  backend.upload(forced, Float32Array.from({ length: T * N * H }, next));
  const injected = real(H);
  const dHidden = real(H);
  const logits = real(V);
  const [loss, norm] = [backend.createTensor([1], 'double'), backend.createTensor([1], 'double')];
  const noStates = { h0: null, c0: null, hT: null, cT: null };
  const noGradients = { dhT: null, dcT: null, dh0: null, dc0: null };
  const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  let count = 0;

  function step() {
    backend.zero(...all);
    backend.denseForward({ input: forced, weight: feedback, bias: null, output: injected });
    let below = input;
    stack.forEach(({ layer, parameters: own, saved, output }, k) => {
      backend.recurrentForward({
        layer,
        parameters: own,
        input: below,
        injected: k === 0 ? injected : null,
        output,
        saved,
        ...noStates,
      });
      below = output;
    });
    backend.denseForward({ input: below, weight, bias, output: logits });
    backend.softmaxCrossEntropy({ logits, targets, count: T * N, loss, losses: null, dLogits: logits });
    backend.denseBackward({
      input: below,
      weight,
      dOutput: logits,
      dInput: dHidden,
      dWeight: gradients.get(weight),
      dBias: gradients.get(bias),
    });
    for (let k = depth - 1; k >= 0; k--) {
      const { layer, parameters: own, gradients: dOwn, saved } = stack[k];
      backend.recurrentBackward({
        layer,
        parameters: own,
        gradients: dOwn,
        saved,
        dOutput: dHidden,
        dInput: k === 0 ? null : dHidden,
        dInjected: k === 0 ? injected : null,
        ...noGradients,
      });
    }
    // What the data forces has no gradient.
    backend.denseBackward({
      input: forced,
      weight: feedback,
      dOutput: injected,
      dInput: null,
      dWeight: gradients.get(feedback),
      dBias: null,
    });
    backend.globalNorm({ tensors: all, norm });
    backend.clipByNorm({ tensors: all, norm, maximum: 5 });
    backend.adamStep({ entries, step: ++count, ...adam });
  }
  return {
    step,
    loss: async () => (await backend.download(loss))[0],
    // R's product forwards and for its gradient; those of the head and the upper layers also for what is below.
    operationsPerToken: 2 * (2 * H * H + 3 * (depth - 1) * H * H + 3 * H * V),
  };
}
