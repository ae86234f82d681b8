import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, RecurrentLayer, RecurrentParameters, Tensor, TensorValues } from '../backend.ts';
import { cells } from './cases.ts';
import { engines } from './engines.ts';
import { Harness, valuesOf } from './harness.ts';

const [T, C, H, V] = [7, 5, 19, 23];
const batches = [1, 3, 24];

describe.each(engines)('$name', ({ create, precision, hasRowBits = true }) => {
  let backend: Backend;
  const bitTest = test.skipIf(!hasRowBits);
  beforeAll(async () => {
    backend = await create();
  });
  afterAll(() => backend.close());

  function upload(shape: readonly number[], values: ArrayLike<number>): Tensor {
    const tensor = backend.createTensor(shape);
    backend.upload(tensor, Float32Array.from(values));
    return tensor;
  }

  /** N rows of `width` numbers, the row `own` in the middle place. */
  function around(own: Float32Array, N: number, label: string): Float32Array {
    const rows = valuesOf(`${label}${N}`, N * own.length);
    rows.set(own, Math.floor(N / 2) * own.length);
    return rows;
  }
  const middle = (values: TensorValues, N: number) => {
    const width = values.length / N;
    return [...values.slice(Math.floor(N / 2) * width, (Math.floor(N / 2) + 1) * width)];
  };

  bitTest.each(cells)(
    'a row of a one-step $cell has the same bits whatever stands beside it',
    async (cell) => {
      const layer: RecurrentLayer = { ...cell, inputSize: C, hiddenSize: H, input: 'dense' };
      const parameters = new Harness(backend).recurrent('p', layer);
      const seen = [];
      for (const N of batches) {
        const input = upload([N, C], around(valuesOf('x', C), N, 'x'));
        const h = upload([N, H], around(valuesOf('h', H), N, 'h'));
        const c = cell.cell === 'lstm' ? upload([N, H], around(valuesOf('c', H), N, 'c')) : null;
        backend.recurrentStep({ layer, parameters, input, h, c });
        seen.push([middle(await backend.download(h), N), c && middle(await backend.download(c), N)]);
      }
      expect(seen[1]).toEqual(seen[0]);
      expect(seen[2]).toEqual(seen[0]);
    },
  );

  bitTest(
    'a row of a dense layer, a loss and a log-softmax has the same bits whatever stands beside it',
    async () => {
      const h = new Harness(backend);
      const weight = h.parameter('w', { use: 'dense', outputs: V, inputs: H });
      const bias = h.parameter('b', { use: 'bias', size: V });
      const seen = [];
      for (const N of batches) {
        const logits = h.empty([N, V]);
        const input = upload([N, H], around(valuesOf('x', H), N, 'x'));
        backend.denseForward({ input, weight, bias, output: logits });
        const output = h.empty([N, V]);
        backend.logSoftmax({ logits, output });
        const targets = backend.createTensor([N], 'int');
        backend.upload(targets, new Int32Array(N).fill(2));
        const [losses, dLogits] = [h.empty([N]), h.empty([N, V])];
        backend.softmaxCrossEntropy({ logits, targets, count: 24, loss: h.scalar(), losses, dLogits });
        const dInput = h.empty([N, H]);
        backend.denseBackward({ input, weight, dOutput: dLogits, dInput, dWeight: null, dBias: null });
        const rows = [];
        for (const tensor of [logits, output, losses, dLogits, dInput])
          rows.push(middle(await backend.download(tensor), N));
        seen.push(rows);
      }
      expect(seen[1]).toEqual(seen[0]);
      expect(seen[2]).toEqual(seen[0]);
    },
  );

  interface Run {
    readonly output: TensorValues;
    readonly hT: TensorValues;
    readonly dInput: TensorValues;
    readonly dh0: TensorValues;
    readonly dWeightHh: TensorValues;
  }

  /** Forward over chunks of the given lengths with the state handed on, then backward from the last chunk to the first. */
  async function chunked(
    layer: RecurrentLayer,
    parameters: RecurrentParameters,
    N: number,
    lengths: number[],
  ): Promise<Run> {
    const h = new Harness(backend);
    const isLstm = layer.cell === 'lstm';
    const x = h.real('x', [T, N, C]);
    const dOutput = h.real('dOutput', [T, N, H]);
    const output = h.empty([T, N, H]);
    const dInput = h.empty([T, N, C]);
    const state = h.real('h0', [N, H]);
    const cellState = isLstm ? h.real('c0', [N, H]) : null;
    const gradients = {
      weightIh: null,
      weightHh: backend.like(parameters.weightHh!),
      biasIh: null,
      biasHh: null,
    };
    let at = 0;
    const chunks = lengths.map((length) => {
      const first = at;
      at += length;
      return { first, length, saved: backend.createSaved(layer, length, N) };
    });
    for (const { first, length, saved } of chunks)
      backend.recurrentForward({
        layer,
        parameters,
        input: backend.view(x, first, length),
        h0: state,
        c0: cellState,
        output: backend.view(output, first, length),
        hT: state,
        cT: cellState,
        saved,
      });
    const dState = h.real('dhT', [N, H]);
    const dCell = isLstm ? h.real('dcT', [N, H]) : null;
    for (const { first, length, saved } of chunks.toReversed())
      backend.recurrentBackward({
        layer,
        parameters,
        gradients,
        saved,
        dOutput: backend.view(dOutput, first, length),
        dhT: dState,
        dcT: dCell,
        dInput: backend.view(dInput, first, length),
        dh0: dState,
        dc0: dCell,
      });
    const [a, b, c, d, e] = await Promise.all(
      [output, state, dInput, dState, gradients.weightHh].map((tensor) => backend.download(tensor)),
    );
    return { output: a!, hT: b!, dInput: c!, dh0: d!, dWeightHh: e! };
  }

  bitTest.each(cells)(
    '$cell $activation in chunks gives the bits of the whole sequence, forward and back',
    async (cell) => {
      const layer: RecurrentLayer = { ...cell, inputSize: C, hiddenSize: H, input: 'dense' };
      const parameters = new Harness(backend).recurrent('p', layer);
      const whole = await chunked(layer, parameters, 3, [T]);
      const parts = await chunked(layer, parameters, 3, [2, 1, 4]);
      for (const name of ['output', 'hT', 'dInput', 'dh0'] as const) expect(parts[name]).toEqual(whole[name]);
      for (const [i, value] of whole.dWeightHh.entries()) expect(parts.dWeightHh[i]).toBeCloseTo(value, 4);
    },
  );

  bitTest.each(cells)(
    '$cell $activation step by step gives the bits of the whole sequence, from tokens and from numbers',
    async (cell) => {
      for (const reads of ['dense', 'tokens'] as const) {
        const layer: RecurrentLayer = { ...cell, inputSize: C, hiddenSize: H, input: reads };
        const h = new Harness(backend);
        const parameters = h.recurrent('p', layer);
        const N = 3;
        const input = reads === 'dense' ? h.real('x', [T, N, C]) : h.tokens('x', [T, N], C);
        const output = h.empty([T, N, H]);
        const none = { h0: null, c0: null, hT: null, cT: null };
        backend.recurrentForward({ layer, parameters, input, ...none, output, saved: null });
        const kept = h.empty([T, N, H]);
        const saved = backend.createSaved(layer, T, N);
        backend.recurrentForward({ layer, parameters, input, ...none, output: kept, saved });
        const whole = await backend.download(output);
        expect(await backend.download(kept)).toEqual(whole);

        const state = h.empty([N, H]);
        const c = cell.cell === 'lstm' ? h.empty([N, H]) : null;
        const values = await backend.download(input);
        for (let t = 0; t < T; t++) {
          const step = reads === 'dense' ? backend.createTensor([N, C]) : backend.createTensor([N], 'int');
          const width = values.length / T;
          backend.upload(step, values.slice(t * width, (t + 1) * width));
          backend.recurrentStep({ layer, parameters, input: step, h: state, c });
          expect(await backend.download(state)).toEqual(whole.slice(t * N * H, (t + 1) * N * H));
        }
      }
    },
  );

  // In bf16 they are not the same: a look-up is no product, and its weights are not rounded.
  test.skipIf(precision === 'bf16').each(cells)(
    '$cell $activation reads tokens as the one-hot vectors that they stand for',
    async (cell) => {
      const layer: RecurrentLayer = { ...cell, inputSize: C, hiddenSize: H, input: 'tokens' };
      const dense: RecurrentLayer = { ...layer, input: 'dense' };
      const h = new Harness(backend);
      const N = 3;
      const ids = h.tokens('x', [T, N], C);
      const onehot = new Float32Array(T * N * C);
      for (const [i, id] of (await backend.download(ids)).entries()) onehot[i * C + id] = 1;
      const seen = [];
      for (const [kind, input] of [
        [layer, ids],
        [dense, upload([T, N, C], onehot)],
      ] as const) {
        const parameters = h.recurrent('p', kind);
        const gradients = h.recurrent('d', kind);
        const output = h.empty([T, N, H]);
        const saved = backend.createSaved(kind, T, N);
        const none = { h0: null, c0: null, hT: null, cT: null };
        backend.recurrentForward({ layer: kind, parameters, input, ...none, output, saved });
        const dOutput = h.real('dOutput', [T, N, H]);
        const nothing = { dhT: null, dcT: null, dInput: null, dh0: null, dc0: null };
        backend.recurrentBackward({ layer: kind, parameters, gradients, saved, dOutput, ...nothing });
        seen.push(await h.read({ output, ...gradients }));
      }
      for (const [name, values] of Object.entries(seen[0]!))
        for (const [i, value] of values.entries()) expect(seen[1]![name]![i], name).toBeCloseTo(value, 4);
    },
  );
});
