import { expect, test } from 'vitest';
import type { Backend, RecurrentLayer } from '../backend.ts';
import { Harness, valuesOf } from '../conformance/harness.ts';
import { createBackend } from '../create-backend.ts';
import { createReference } from './reference-backend.ts';

const layer: RecurrentLayer = { cell: 'lstm', inputSize: 11, hiddenSize: 6, input: 'tokens' };

test('every role comes back as it was uploaded, whatever its layout inside', async () => {
  const backend = createReference();
  const roles = [
    { use: 'weight_ih', layer },
    { use: 'weight_ih', layer: { ...layer, cell: 'gru', input: 'dense' } },
    { use: 'weight_hh', layer },
    { use: 'recurrent_bias', layer },
    { use: 'dense', outputs: 3, inputs: 5 },
    { use: 'embedding', rows: 7, columns: 2 },
    { use: 'embedding', rows: 7, columns: 2, transposed: true },
    { use: 'bias', size: 9 },
  ] as const;
  for (const role of roles) {
    const parameter = backend.createParameter(role);
    const values = valuesOf(
      role.use,
      parameter.shape.reduce((a, b) => a * b, 1),
    );
    backend.upload(parameter, values);
    expect(await backend.download(parameter)).toEqual(values);
    expect((await backend.download(backend.like(parameter))).every((value) => value === 0)).toBe(true);
  }
});

test('a download is a snapshot, a view shares memory', async () => {
  const backend = createReference();
  const tensor = backend.createTensor([3, 2]);
  const before = backend.download(tensor);
  backend.upload(backend.view(tensor, 1, 1), [5, 6]);
  expect([...(await before)]).toEqual([0, 0, 0, 0, 0, 0]);
  expect([...(await backend.download(tensor))]).toEqual([0, 0, 5, 6, 0, 0]);
});

test('misuse is refused with what was expected and what came', () => {
  const backend = createReference();
  const a = backend.createTensor([2, 3]);
  const b = backend.createTensor([4, 5]);
  const output = backend.createTensor([2, 5]);
  expect(() => backend.matmul({ a, b, output })).toThrow('Expected 3 rows for matmul op(b) but received 4.');
  expect(() => backend.upload(a, [1])).toThrow('Expected 6 values for [2, 3] but received 1.');
  expect(() => backend.createTensor([-1])).toThrow(RangeError);
  expect(() => backend.view(a, 1, 2)).toThrow('Expected entries within [2, 3] but received 1 + 2.');
  expect(() => backend.copy({ source: a, target: b })).toThrow('Expected the shape [2, 3]');
  const other = createReference().createTensor([2, 3]);
  expect(() => backend.zero(other)).toThrow(TypeError);
  const square = backend.createTensor([3, 3]);
  expect(() => backend.matmul({ a: square, b: square, output: square })).toThrow(
    'Expected memory of its own',
  );

  const table = backend.createParameter({ use: 'embedding', rows: 4, columns: 2 });
  const tokens = backend.createTensor([1], 'int');
  backend.upload(tokens, [4]);
  expect(() => backend.embeddingForward({ table, tokens, output: backend.createTensor([1, 2]) })).toThrow(
    'Expected tokens from -1 to 3 for embedding tokens but received 4 at 0.',
  );

  const held = backend.view(a, 0, 1);
  backend.release(a);
  expect(() => backend.zero(a)).toThrow('released');
  expect(() => backend.zero(held)).toThrow('released');
});

test('backward consumes its activations', () => {
  const backend = createReference();
  const h = new Harness(backend);
  const parameters = h.recurrent('p', layer);
  const saved = backend.createSaved(layer, 2, 3);
  const gradients = { weightIh: null, weightHh: null, biasIh: null, biasHh: null };
  const nothing = { dOutput: null, dhT: null, dcT: null, dInput: null, dh0: null, dc0: null };
  const back = () => backend.recurrentBackward({ layer, parameters, gradients, saved, ...nothing });
  expect(back).toThrow(TypeError);
  const states = { h0: null, c0: null, hT: null, cT: null };
  const input = h.tokens('x', [2, 3], 11);
  backend.recurrentForward({ layer, parameters, input, ...states, output: h.empty([2, 3, 6]), saved });
  back();
  expect(back).toThrow(TypeError);
  const long = h.tokens('y', [3, 3], 11);
  const output = h.empty([3, 3, 6]);
  expect(() =>
    backend.recurrentForward({ layer, parameters, input: long, ...states, output, saved }),
  ).toThrow('Expected at most 2 × 3 for saved activations but received 3 × 3.');
});

/** One training step of a one-layer language model on tensors that are made once. */
function trainingStep(backend: Backend, [T, N, V, H]: readonly [number, number, number, number]): () => void {
  const h = new Harness(backend);
  const reader: RecurrentLayer = { cell: 'lstm', inputSize: V, hiddenSize: H, input: 'tokens' };
  const parameters = h.recurrent('p', reader, 0.1);
  const gradients = h.recurrent('d', reader);
  const weight = h.parameter('w', { use: 'dense', outputs: V, inputs: H }, 0.1);
  const dWeight = backend.like(weight);
  const saved = backend.createSaved(reader, T, N);
  const [input, targets] = [h.tokens('x', [T, N], V), h.tokens('y', [T, N], V)];
  const [output, logits, dOutput] = [h.empty([T, N, H]), h.empty([T, N, V]), h.empty([T, N, H])];
  const [hT, cT, loss, norm] = [h.empty([N, H]), h.empty([N, H]), h.scalar(), h.scalar()];
  const tensors = [...Object.values(gradients), dWeight];
  const entries = [...Object.values(parameters), weight].map((parameter, i) => ({
    parameter,
    gradient: tensors[i]!,
    first: backend.like(parameter),
    second: backend.like(parameter),
    weightDecay: 0,
  }));
  let step = 0;
  const state = { h0: hT, c0: cT, hT, cT };
  const cut = { dhT: null, dcT: null, dInput: null, dh0: null, dc0: null };
  const adam = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  return () => {
    backend.zero(...tensors);
    backend.recurrentForward({ layer: reader, parameters, input, ...state, output, saved });
    backend.denseForward({ input: output, weight, bias: null, output: logits });
    backend.softmaxCrossEntropy({ logits, targets, count: T * N, loss, losses: null, dLogits: logits });
    backend.denseBackward({ input: output, weight, dOutput: logits, dInput: dOutput, dWeight, dBias: null });
    backend.recurrentBackward({ layer: reader, parameters, gradients, saved, dOutput, ...cut });
    backend.globalNorm({ tensors, norm });
    backend.clipByNorm({ tensors, norm, maximum: 5 });
    backend.adamStep({ entries, step: ++step, ...adam });
  };
}

test('memory is flat from step to step', () => {
  const backend = createReference();
  const run = trainingStep(backend, [16, 8, 31, 24]);
  run();
  run();
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 40; i++) run();
  // One step's activations alone are more than this.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40_000);
  backend.close();
});

test('engines are found by name and describe themselves', async () => {
  expect((await createBackend('reference')).describe()).toEqual({
    name: 'reference',
    engine: 'reference-float32',
    device: 'cpu',
    precision: 'float32',
    emulated: false,
  });
  expect((await createBackend('reference', { precision: 'bf16' })).describe()).toEqual({
    name: 'reference',
    engine: 'reference-bf16',
    device: 'cpu',
    precision: 'bf16',
    emulated: true,
  });
  await expect(createBackend('abacus' as 'auto')).rejects.toThrow(RangeError);
});
