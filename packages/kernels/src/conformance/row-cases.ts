import type { KernelCase } from './kernel-case.ts';

const shapes = [
  [1, 1, 1],
  [3, 5, 7],
  [9, 4, 33],
] as const;

const rowKernels = shapes.map(
  ([T, N, K]): KernelCase => ({
    name: `rows gathered, scattered, joined, split, scaled and squashed [${T},${N},${K}]`,
    tolerance: 1e-6,
    run(h) {
      const { backend } = h;
      const x = h.real('x', [T, N, K]);
      const y = h.real('y', [T, N, 2]);
      const indices = h.tokens('indices', [T, N], T * N);
      const gathered = h.empty([T, N, K]);
      backend.gatherRows({ source: x, indices, output: gathered });
      const scattered = h.real('sums', [T, N, K]);
      backend.scatterAddRows({ source: x, indices, target: scattered });
      const joined = h.empty([T, N, K + 2]);
      backend.concatenate({ inputs: [y, x], output: joined });
      const [left, right] = [h.empty([T, N, K]), h.empty([T, N, 2])];
      backend.split({ input: joined, outputs: [left, right] });
      backend.split({ input: joined, outputs: [left, right], accumulate: true });
      const scaled = h.empty([T, N, K]);
      backend.scaleRows({ input: x, factors: h.real('factors', [T, N]), output: scaled });
      const squashed = h.empty([T, N, K]);
      backend.tanh({ input: x, output: squashed });
      const dInput = h.empty([T, N, K]);
      backend.tanhBackward({ output: squashed, dOutput: h.real('dSquashed', [T, N, K]), dInput });
      return { gathered, scattered, joined, left, right, scaled, squashed, dInput };
    },
  }),
);

const rowLosses = shapes.map(
  ([T, N, D]): KernelCase => ({
    name: `squared error, Bernoulli cross-entropy and softmax [${T},${N},${D}]`,
    tolerance: 2e-6,
    isLarge: T * N > 20,
    run(h) {
      const { backend } = h;
      const predictions = h.real('predictions', [T, N, D], 4);
      const targets = h.real('targets', [T, N, D]);
      const mask = h.tokens('mask', [T, N], 3);
      // The first token is 0, which would hide a NaN at the front of the inputs.
      const all = { count: T * N, mask: null };
      const masked = { count: T * N, mask };
      const outputs = Object.fromEntries(
        [all, masked].flatMap((options, i) => {
          const loss = h.scalar();
          const losses = h.empty([T, N]);
          const dPredictions = h.empty([T, N, D]);
          backend.squaredError({ predictions, targets, ...options, loss, losses, dPredictions });
          const entropy = h.scalar();
          const entropies = h.empty([T, N]);
          const dLogits = h.empty([T, N, D]);
          const call = { logits: predictions, targets, ...options };
          backend.bernoulliCrossEntropy({ ...call, loss: entropy, losses: entropies, dLogits });
          return Object.entries({ loss, losses, dPredictions, entropy, entropies, dLogits }).map(
            ([name, tensor]) => [`${name} ${i}`, tensor],
          );
        }),
      );
      const output = h.empty([T, N, D]);
      backend.softmax({ logits: predictions, output });
      const dLogits = h.real('sum of dLogits', [T, N, D]);
      const dOutput = h.real('dOutput', [T, N, D]);
      backend.softmaxBackward({ output, dOutput, dLogits, accumulate: true });
      return { ...outputs, output, dLogits };
    },
  }),
);

const optimizers = [1, 7, 130].map((size): KernelCase => {
  const role = { use: 'bias', size } as const;
  return {
    name: `rmsprop, adagrad and adamw of ${size}`,
    tolerance: 1e-6,
    run(h) {
      const { backend } = h;
      const gradient = h.parameter('g', role);
      const start = (name: string) => ({ parameter: h.parameter(name, role), gradient, weightDecay: 0.02 });
      const zeros = () => backend.like(gradient);
      const [rmsprop, adagrad, adamw] = [start('p'), start('q'), start('r')];
      const [square, velocity, sum, first, second] = [zeros(), zeros(), zeros(), zeros(), zeros()];
      const moments = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: true };
      for (let step = 1; step <= 3; step++) {
        backend.rmspropStep({
          entries: [{ ...rmsprop, square, velocity }],
          learningRate: 0.01,
          alpha: 0.99,
          epsilon: 1e-8,
          momentum: 0.9,
        });
        backend.adagradStep({ entries: [{ ...adagrad, sum }], learningRate: 0.1, epsilon: 1e-10 });
        backend.adamStep({ entries: [{ ...adamw, first, second }], learningRate: 0.01, step, ...moments });
      }
      const parameters = { p: rmsprop.parameter, q: adagrad.parameter, r: adamw.parameter };
      return { ...parameters, square, velocity, sum, first, second };
    },
  };
});

/** Kernels that take rows one by one, and the losses and optimizers beside softmax, SGD and Adam. */
export const rowCases: readonly KernelCase[] = [...rowKernels, ...rowLosses, ...optimizers];
