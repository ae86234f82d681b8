import { expect, test } from 'vitest';
import type { Backend, Tensor } from '../backend.ts';
import { createTruth } from './engines.ts';
import { checkGradients, dot } from './finite-differences.ts';
import { Harness } from './harness.ts';

function ints(backend: Backend, values: readonly number[], shape: readonly number[]): Tensor {
  const tensor = backend.createTensor(shape, 'int');
  backend.upload(tensor, values);
  return tensor;
}

test('scattering is the gradient of gathering, also where an index is −1 or comes twice', async () => {
  const backend = createTruth();
  const h = new Harness(backend);
  const source = h.real('x', [3, 2, 4]);
  const indices = ints(backend, [5, -1, 0, 0, 3], [5]);
  const [output, dOutput] = [h.empty([5, 4]), h.real('dy', [5, 4])];
  await checkGradients(backend, {
    inputs: { source },
    async loss() {
      backend.gatherRows({ source, indices, output });
      return dot(backend, [[output, dOutput]]);
    },
    async gradients() {
      const target = h.empty([3, 2, 4]);
      backend.scatterAddRows({ source: dOutput, indices, target });
      return { source: target };
    },
  });
});

test('splitting is the gradient of concatenating', async () => {
  const backend = createTruth();
  const h = new Harness(backend);
  const [a, b] = [h.real('a', [3, 2, 4]), h.real('b', [3, 2, 1])];
  const [output, dOutput] = [h.empty([3, 2, 5]), h.real('dy', [3, 2, 5])];
  await checkGradients(backend, {
    inputs: { a, b },
    async loss() {
      backend.concatenate({ inputs: [a, b], output });
      return dot(backend, [[output, dOutput]]);
    },
    async gradients() {
      const outputs = [h.empty([3, 2, 4]), h.empty([3, 2, 1])] as const;
      backend.split({ input: dOutput, outputs });
      return { a: outputs[0], b: outputs[1] };
    },
  });
});

test('the gradients of tanh and softmax are those of finite differences', async () => {
  for (const name of ['tanh', 'softmax'] as const) {
    const backend = createTruth();
    const h = new Harness(backend);
    const input = h.real('x', [3, 2, 4], 2);
    const [output, dOutput] = [h.empty([3, 2, 4]), h.real('dy', [3, 2, 4])];
    const forward = () =>
      name === 'tanh' ? backend.tanh({ input, output }) : backend.softmax({ logits: input, output });
    await checkGradients(backend, {
      inputs: { input },
      async loss() {
        forward();
        return dot(backend, [[output, dOutput]]);
      },
      async gradients() {
        forward();
        const gradient = h.empty([3, 2, 4]);
        if (name === 'tanh') backend.tanhBackward({ output, dOutput, dInput: gradient });
        else backend.softmaxBackward({ output, dOutput, dLogits: gradient });
        return { input: gradient };
      },
    });
  }
});

test.each(['squaredError', 'bernoulliCrossEntropy'] as const)(
  'the gradient of %s is that of finite differences, also where rows are masked',
  async (name) => {
    const backend = createTruth();
    const h = new Harness(backend);
    const input = h.real('x', [3, 2, 4], 3);
    const targets = h.real('y', [3, 2, 4]);
    const mask = ints(backend, [1, 0, 1, 1, 0, 5], [3, 2]);
    const loss = h.scalar();
    const common = { targets, mask, count: 4, loss, losses: null };
    const run = (gradient: Tensor | null) =>
      name === 'squaredError'
        ? backend.squaredError({ ...common, predictions: input, dPredictions: gradient })
        : backend.bernoulliCrossEntropy({ ...common, logits: input, dLogits: gradient });
    await checkGradients(backend, {
      inputs: { input },
      async loss() {
        run(null);
        return (await backend.download(loss))[0]!;
      },
      async gradients() {
        const gradient = h.empty([3, 2, 4]);
        run(gradient);
        return { input: gradient };
      },
    });
  },
);

test('a soft token is a product with its table, forward and back, out of the dense kernels', async () => {
  const backend = createTruth();
  const h = new Harness(backend);
  const table = h.parameter('table', { use: 'embedding', rows: 5, columns: 3 });
  const weights = h.real('weights', [2, 2, 5]);
  const [output, dOutput] = [h.empty([2, 2, 3]), h.real('dy', [2, 2, 3])];
  // The backward kernel's dInput is dOutput · weight: with the table as weight, the mixture of its rows. It reads its own input only for dWeight.
  const dense = { weight: table, dBias: null };
  await checkGradients(backend, {
    inputs: { table, weights },
    async loss() {
      backend.denseBackward({ ...dense, input: dOutput, dOutput: weights, dInput: output, dWeight: null });
      return dot(backend, [[output, dOutput]]);
    },
    async gradients() {
      const [dTable, dWeights] = [backend.like(table), h.empty([2, 2, 5])];
      backend.denseBackward({ ...dense, input: dOutput, dOutput: weights, dInput: null, dWeight: dTable });
      backend.denseForward({ input: dOutput, weight: table, bias: null, output: dWeights });
      return { table: dTable, weights: dWeights };
    },
  });
});

test('tokens of −1 are rows of zeros without a gradient', async () => {
  const backend = createTruth();
  const h = new Harness(backend);
  const table = h.parameter('table', { use: 'embedding', rows: 3, columns: 2 });
  const tokens = ints(backend, [2, -1, 2], [3]);
  const output = h.real('old', [3, 2]);
  backend.embeddingForward({ table, tokens, output });
  const rows = [...(await backend.download(output))];
  const last = [...(await backend.download(table))].slice(4);
  expect(rows).toEqual([...last, 0, 0, ...last]);
  const dTable = backend.like(table);
  const dOutput = h.empty([3, 2]);
  backend.upload(dOutput, [1, 2, 3, 4, 5, 6]);
  backend.embeddingBackward({ tokens, dOutput, dTable });
  expect([...(await backend.download(dTable))]).toEqual([0, 0, 0, 0, 6, 8]);
});
