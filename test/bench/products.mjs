// Teacher-forced output recurrence, h_t = φ(U x_t + R f_t + b) with f_t taken from the data: every step's operands are known beforehand, so a
// training step is products over all T · N rows at once. Timed here: R's product and the head, forwards and backwards, with loss and Adam.
// U x is a look-up and φ a pass over H values: neither is timed, nor counted.
import { createNumbers } from './model.mjs';

/** Makes the network and returns { step(), loss(), operationsPerToken }; f has as many values as the network has hidden units. */
export function createProducts(backend, { hidden: H, vocabulary: V }, { batch: N, steps: T }) {
  const next = createNumbers();
  const fill = (tensor, scale) => {
    const size = tensor.shape.reduce((a, b) => a * b, 1);
    backend.upload(
      tensor,
      Float32Array.from({ length: size }, () => next() * scale),
    );
    return tensor;
  };
  const bound = 1 / Math.sqrt(H);
  const parameter = (role) => fill(backend.createParameter(role), bound);
  const feedback = parameter({ use: 'dense', outputs: H, inputs: H });
  const feedbackBias = parameter({ use: 'bias', size: H });
  const weight = parameter({ use: 'dense', outputs: V, inputs: H });
  const bias = parameter({ use: 'bias', size: V });
  const parameters = [feedback, feedbackBias, weight, bias];
  const gradients = parameters.map((each) => backend.like(each));
  const [dFeedback, dFeedbackBias, dWeight, dBias] = gradients;
  const entries = parameters.map((each, k) => ({
    parameter: each,
    gradient: gradients[k],
    first: backend.like(each),
    second: backend.like(each),
    weightDecay: 0,
  }));
  const forced = fill(backend.createTensor([T, N, H]), 1);
  const hidden = backend.createTensor([T, N, H]);
  const dHidden = backend.createTensor([T, N, H]);
  const logits = backend.createTensor([T, N, V]);
  const targets = backend.createTensor([T, N], 'int');
  backend.upload(
    targets,
    Int32Array.from({ length: T * N }, (_, i) => (i * 7 + 3) % V),
  );
  const [loss, norm] = [backend.createTensor([1], 'double'), backend.createTensor([1], 'double')];
  const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  let count = 0;

  function step() {
    backend.zero(...gradients);
    backend.denseForward({ input: forced, weight: feedback, bias: feedbackBias, output: hidden });
    backend.denseForward({ input: hidden, weight, bias, output: logits });
    backend.softmaxCrossEntropy({ logits, targets, count: T * N, loss, losses: null, dLogits: logits });
    backend.denseBackward({ input: hidden, weight, dOutput: logits, dInput: dHidden, dWeight, dBias });
    // What the data forces has no gradient.
    backend.denseBackward({
      input: forced,
      weight: feedback,
      dOutput: dHidden,
      dInput: null,
      dWeight: dFeedback,
      dBias: dFeedbackBias,
    });
    backend.globalNorm({ tensors: gradients, norm });
    backend.clipByNorm({ tensors: gradients, norm, maximum: 5 });
    backend.adamStep({ entries, step: ++count, ...adam });
  }
  return {
    step,
    loss: async () => (await backend.download(loss))[0],
    operationsPerToken: 2 * (2 * H * H + 3 * H * V),
  };
}
