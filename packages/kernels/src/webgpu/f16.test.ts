import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, RecurrentLayer, Tensor } from '../backend.ts';
import { kernelCases } from '../conformance/cases.ts';
import { createTruth } from '../conformance/engines.ts';
import { Harness, valuesOf } from '../conformance/harness.ts';
import { type OptionCell, optionPass, type Sizes } from '../conformance/option-cells.ts';
import { openWebgpu } from '../conformance/software-gpu.ts';
import { openDevice } from './device.ts';
import type { Recurrence } from './options.ts';
import { createWebgpu } from './webgpu-backend.ts';

const found = await openWebgpu();
found?.close();
const hasMatrices = found !== null && (await openDevice('matrices')).matrices !== null;
/** What is left out where the GPU, as SwiftShader, has no matrix units for half precision. */
const matrixTest = test.skipIf(!hasMatrices);

/** Half precision rounds by 2⁻¹¹ of a number at most; sums of products of both signs, through some steps, by some times that. */
const bound = 8 * 2 ** -11;

const plain = (options: OptionCell['options'], training = false): OptionCell => ({
  title: '',
  options,
  training,
});

function worstOf(expected: Record<string, number[]>, own: Record<string, number[]>): number {
  return Math.max(
    ...Object.entries(expected).map(([name, values]) => {
      const size = Math.max(1e-3, ...values.map(Math.abs));
      return Math.max(0, ...values.map((value, i) => Math.abs(value - own[name]![i]!))) / size;
    }),
  );
}

/** All a layer's pass leaves behind, its gradients by those of its output times `scale`. */
async function passOf(backend: Backend, layer: RecurrentLayer, T: number, N: number, scale = 1) {
  const { inputSize: C, hiddenSize: H } = layer;
  const h = new Harness(backend);
  const parameters = h.recurrent('p', layer, 1 / Math.sqrt(H));
  const gradients = h.recurrent('d', layer, 0);
  const [output, dInput, dh0] = [h.empty([T, N, H]), h.empty([T, N, C]), h.empty([N, H])];
  const saved = backend.createSaved(layer, T, N);
  const none = { h0: null, c0: null, hT: null, cT: null };
  backend.recurrentForward({ layer, parameters, input: h.real('x', [T, N, C]), ...none, output, saved });
  const dOutput = h.real('dOutput', [T, N, H], scale);
  const ends = { dhT: null, dcT: null, dInput, dh0, dc0: null };
  backend.recurrentBackward({ layer, parameters, gradients, saved, dOutput, ...ends });
  return { forward: await h.read({ output }), backward: await h.read({ dInput, dh0, ...gradients }) };
}

describe.skipIf(!found)('webgpu in half precision', () => {
  const backends = new Map<Recurrence, Backend>();
  let backend: Backend;
  beforeAll(async () => {
    for (const recurrence of ['auto', 'separate', 'step', 'sequence'] as const)
      backends.set(recurrence, await createWebgpu({ precision: 'f16', recurrence }));
    backend = backends.get('auto')!;
  });
  afterAll(() => {
    for (const each of backends.values()) each.close();
  });

  function upload(shape: readonly number[], values: ArrayLike<number>): Tensor {
    const tensor = backend.createTensor(shape);
    backend.upload(tensor, Float32Array.from(values));
    return tensor;
  }

  test('says so, in a name of its own', () => {
    expect(backend.describe()).toMatchObject({ precision: 'f16', emulated: false });
    expect(backend.describe().engine).toMatch(hasMatrices ? /^webgpu-.+-matrices-f16$/ : /^webgpu-.+-f16$/);
  });

  // From 32 inputs and outputs on, matrix units do it where there are any.
  test.each([1, 32])('rounds operands to the nearest, ties to even: %i inputs', async (size) => {
    const cases: [from: number, to: number][] = [
      [1 + 2 ** -11, 1],
      [1 + 2 ** -11 + 2 ** -23, 1 + 2 ** -10],
      [1 + 3 * 2 ** -11, 1 + 2 ** -9],
      [-(1 + 3 * 2 ** -11), -(1 + 2 ** -9)],
      [0.1, 0.0999755859375],
      [65519, 65504],
      [65520, Number.POSITIVE_INFINITY],
      [2 ** -26, 0],
      [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
      [Number.NaN, Number.NaN],
    ];
    const h = new Harness(backend);
    const role = { use: 'dense', outputs: size, inputs: size } as const;
    const weight = backend.createParameter(role);
    const identity = (of: readonly number[]) =>
      Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? (of[i % size] ?? 0) : 0));
    const padded = (first: number) => [first, ...Array(size - 1).fill(0)];
    for (const [from, to] of cases) {
      backend.upload(weight, identity(Array(size).fill(1)));
      const input = upload([1, size], padded(from));
      const output = h.empty([1, size]);
      backend.denseForward({ input, weight, bias: null, output });
      expect((await backend.download(output))[0]).toBe(to);
      backend.upload(weight, identity([from]));
      backend.denseForward({ input: upload([1, size], padded(1)), weight, bias: null, output });
      expect((await backend.download(output))[0]).toBe(to);
    }
  });

  const smooth = kernelCases.filter(({ name }) =>
    /^(dense|step \w+) (tanh )?\[3,(5,)?7\]|^recurrent (elman tanh|gru|lstm) \[5,3,7\].*(dense|ragged)$/.test(
      name,
    ),
  );
  test.each(smooth)('is as far from the truth as rounded operands make it: $name', async ({ run }) => {
    const truth = createTruth();
    const [own, exact] = [new Harness(backend), new Harness(truth)];
    const [results, expected] = [await own.read(run(own)), await exact.read(run(exact))];
    truth.close();
    expect(worstOf(expected, results)).toBeLessThan(bound);
    for (const poison of new Set(own.labels.filter((label) => /x|input|dOutput|weight/i.test(label)))) {
      const sick = new Harness(backend, poison);
      expect(
        Object.values(await sick.read(run(sick)))
          .flat()
          .some(Number.isNaN),
        poison,
      ).toBe(true);
    }
  });

  const layer = { cell: 'lstm', inputSize: 37, hiddenSize: 41, input: 'dense' } as const;

  test('gradients of any size keep their bits: those of 2⁻⁶⁰ as much are 2⁻⁶⁰ as large', async () => {
    const [T, N] = [4, 5];
    const truth = createTruth();
    const expected = await passOf(truth, layer, T, N);
    truth.close();
    const usual = await passOf(backend, layer, T, N);
    expect(worstOf(expected.backward, usual.backward)).toBeLessThan(bound);
    const tiny = await passOf(backend, layer, T, N, 2 ** -60);
    for (const [name, values] of Object.entries(usual.backward))
      expect(
        tiny.backward[name]!.map((value) => value * 2 ** 60),
        name,
      ).toEqual(values);
  });

  test('a row has the same bits whatever stands beside it, by single steps and in a sequence', async () => {
    const { inputSize: C, hiddenSize: H } = layer;
    const h = new Harness(backend);
    const weight = h.parameter('w', { use: 'dense', outputs: C, inputs: H });
    const parameters = h.recurrent('p', layer);
    const seen: unknown[] = [];
    for (const N of [1, 3, 70]) {
      const rows = (label: string, size: number) => {
        const values = valuesOf(`${label}${N}`, N * size);
        values.set(valuesOf(label, size), (N - 1) * size);
        return upload([N, size], values);
      };
      const [x, state, c, dx] = [rows('x', C), h.empty([N, H]), h.empty([N, H]), h.empty([N, H])];
      backend.recurrentStep({ layer, parameters, input: x, h: state, c });
      backend.recurrentStep({ layer, parameters, input: x, h: state, c });
      const dOutput = rows('dOutput', C);
      const none = { dWeight: null, dBias: null };
      backend.denseBackward({ input: state, weight, dOutput, dInput: dx, ...none });
      const both = Float32Array.from([...(await backend.download(x)), ...(await backend.download(x))]);
      const output = h.empty([2, N, H]);
      const ends = { h0: null, c0: null, hT: null, cT: null, saved: null };
      backend.recurrentForward({ layer, parameters, input: upload([2, N, C], both), ...ends, output });
      const last = async (tensor: Tensor) => [...(await backend.download(tensor))].slice(-H);
      expect(await last(output)).toEqual(await last(state));
      seen.push([await last(state), await last(dx)]);
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });

  const ways: readonly (readonly [name: string, cell: OptionCell, sizes: Sizes])[] = [
    ['lstm', plain({ cell: 'lstm' }), [3, 17, 2, 33]],
    ['elman', plain({ cell: 'elman' }), [3, 5, 1, 66]],
    ['gru of many rows', plain({ cell: 'gru' }), [3, 300, 1, 3]],
    [
      'lstm with options',
      plain(
        { cell: 'lstm', peephole: true, recurrentDropout: 0.4, zoneout: { hidden: 0.3, cell: 0.4 } },
        true,
      ),
      [4, 7, 2, 9],
    ],
  ];
  test.each(ways)(
    '%s: the same bits by two kernels a step, by one, and by one for all',
    async (_, cell, sizes) => {
      const outcome = async (way: Recurrence) => {
        const h = new Harness(backends.get(way)!);
        const made = optionPass(h, cell, sizes, 'dense', { size: 1 / Math.sqrt(sizes[3]), lengths: null });
        made.forward();
        return { before: await h.read(made.outputs), after: await h.read(made.backward()) };
      };
      const [separate, step, sequence] = [
        await outcome('separate'),
        await outcome('step'),
        await outcome('sequence'),
      ];
      expect(step.before).toEqual(separate.before);
      expect(sequence).toEqual(step);
      expect(worstOf(step.after, separate.after)).toBeLessThan(1e-5);
    },
  );

  // Tiles that hang over on every side, and rows in several blocks.
  matrixTest.each([
    [1, 32, 32],
    [70, 45, 67],
    [600, 130, 70],
  ])(
    'matrix units multiply as other kernels do: %i rows, %i inputs, %i outputs',
    async (rows, inputs, outputs) => {
      const without = await createWebgpu({ precision: 'f16', matrices: false });
      const role = { use: 'dense', outputs, inputs } as const;
      const [own, expected] = await Promise.all(
        [backend, without].map(async (on) => {
          const h = new Harness(on);
          const [weight, bias] = [h.parameter('w', role), h.parameter('b', { use: 'bias', size: outputs })];
          const input = h.real('x', [rows, inputs]);
          const [output, dInput] = [h.empty([rows, outputs]), h.empty([rows, inputs])];
          on.denseForward({ input, weight, bias, output });
          const dOutput = h.real('dOutput', [rows, outputs], 1e-6);
          const [dWeight, dBias] = [
            h.parameter('dw', role, 0),
            h.parameter('db', { use: 'bias', size: outputs }, 0),
          ];
          on.denseBackward({ input, weight, dOutput, dInput, dWeight, dBias });
          const scaled = { dInput, dWeight, dBias };
          for (const tensor of Object.values(scaled)) on.scale({ tensor, factor: 1e6 });
          return { forward: await h.read({ output }), backward: await h.read(scaled) };
        }),
      );
      without.close();
      // Forwards the operands are the same; backwards the other kernels leave gradients as they are.
      expect(worstOf(expected!.forward, own!.forward)).toBeLessThan(1e-5);
      expect(worstOf(expected!.backward, own!.backward)).toBeLessThan(bound);
      expect(own!.backward).not.toEqual(expected!.backward);
    },
  );
});
