import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Backend, CellKind, RecurrentLayer } from '../backend.ts';
import { kernelCases } from '../conformance/cases.ts';
import { createTruths } from '../conformance/engines.ts';
import { Harness } from '../conformance/harness.ts';
import { optionCells, optionPass } from '../conformance/option-cells.ts';
import { createBackend } from '../create-backend.ts';
import { NativeUnavailableError } from './addon.ts';
import { createNative, nativeInstructionSets } from './native-backend.ts';

function sets(): readonly string[] {
  try {
    return nativeInstructionSets();
  } catch {
    return [];
  }
}
const cells: CellKind[] = ['lstm', 'gru', 'elman'];

/** Forward and back through one layer that is larger than every block that kernels cut their work into, and odd. */
async function pass(backend: Backend, cell: CellKind, input: 'dense' | 'tokens') {
  const [T, N, C, H] = [4, 110, 141, 150];
  const layer: RecurrentLayer = { cell, inputSize: C, hiddenSize: H, input };
  const h = new Harness(backend);
  const parameters = h.recurrent('p', layer, 1 / Math.sqrt(H));
  const gradients = h.recurrent('d', layer, 0.1);
  const x = input === 'dense' ? h.real('x', [T, N, C]) : h.tokens('x', [T, N], C);
  const [output, dOutput] = [h.empty([T, N, H]), h.real('dOutput', [T, N, H])];
  const dInput = input === 'dense' ? h.empty([T, N, C]) : null;
  const dh0 = h.empty([N, H]);
  const saved = backend.createSaved(layer, T, N);
  const none = { h0: null, c0: null, hT: null, cT: null };
  backend.recurrentForward({ layer, parameters, input: x, ...none, output, saved });
  const cut = { dhT: null, dcT: null, dc0: null };
  backend.recurrentBackward({ layer, parameters, gradients, saved, dOutput, ...cut, dInput, dh0 });
  const a = h.real('a', [400, 301]);
  const b = h.real('b', [301, 77]);
  const product = h.empty([400, 77]);
  backend.matmul({ a, b, output: product });
  const big = h.real('big', [30_011]);
  const norm = h.scalar();
  backend.globalNorm({ tensors: [big], norm });
  return h.read({ output, dh0, product, norm, ...gradients, ...(dInput && { dInput }) });
}

const layers = cells.flatMap((cell) => [
  { cell, input: 'dense' as const },
  { cell, input: 'tokens' as const },
]);
const truthOf = createTruths((truth, { cell, input }: (typeof layers)[number]) => pass(truth, cell, input));

describe.skipIf(sets().length === 0)('the native engine', () => {
  test('downloads into memory of the caller, shared memory too, and refuses what does not fit', async () => {
    const backend = createNative({ threads: 1 });
    const h = new Harness(backend);
    const layer: RecurrentLayer = { cell: 'lstm', inputSize: 5, hiddenSize: 7, input: 'dense' };
    const tensors = [h.parameter('w', { use: 'weight_ih', layer }), h.real('x', [3, 4]), h.integers([1, 2])];
    for (const tensor of tensors) {
      const values = await backend.download(tensor);
      const Values = values.constructor as typeof Float32Array;
      const memory = new SharedArrayBuffer(values.byteLength + 8);
      const target = new Values(memory, 8, values.length);
      expect(await backend.download(tensor, target)).toBe(target);
      expect([...target]).toEqual([...values]);
      await expect(backend.download(tensor, new Values(values.length + 1))).rejects.toThrow(RangeError);
      await expect(backend.download(tensor, new Float64Array(values.length))).rejects.toThrow(/Float64Array/);
    }
    backend.close();
  });

  describe.each(sets().flatMap((set) => [[set, 'float32', 1e-5] as const, [set, 'bf16', 4e-3] as const]))(
    'on %s in %s',
    (instructionSet, precision, tolerance) => {
      test.each(layers)(
        'agrees with the truth on $cell reading $input in large sizes, with the same bits for 1, 2 and 5 threads',
        async (layer) => {
          const { cell, input } = layer;
          const runs: Record<string, number[]>[] = [];
          for (const threads of [1, 2, 5]) {
            const backend = createNative({ instructionSet, threads, precision });
            runs.push(await pass(backend, cell, input));
            backend.close();
          }
          // Vitest compares arrays of millions a number at a time, which takes it minutes.
          const bits = runs.map((run) =>
            Object.entries(run).map(([name, values]) => [
              name,
              createHash('sha256').update(Float64Array.from(values)).digest('hex'),
            ]),
          );
          expect(bits[1]).toEqual(bits[0]);
          expect(bits[2]).toEqual(bits[0]);
          const truth = await truthOf(precision, layer);
          for (const [name, values] of Object.entries(truth)) {
            const size = Math.max(...values.map(Math.abs));
            const worst = Math.max(...values.map((value, i) => Math.abs(value - runs[0]![name]![i]!)));
            expect(worst / size, name).toBeLessThan(tolerance);
          }
        },
      );
    },
  );

  test.each(sets())(
    'gives every kernel and option the same bits on one thread as on two, on %s',
    async (set) => {
      const results = (threads: number): Promise<unknown[]> => {
        const backend = createNative({ instructionSet: set, threads });
        const kernels = kernelCases.map(({ name, run }) => {
          const h = new Harness(backend);
          return h.read(run(h)).then((outputs) => ({ name, outputs }));
        });
        const options = optionCells.map((cell) => {
          const h = new Harness(backend);
          const made = optionPass(h, cell, [5, 3, 7, 9], 'dense');
          made.forward();
          return h
            .read({ ...made.outputs, ...made.backward() })
            .then((outputs) => ({ name: cell.title, outputs }));
        });
        return Promise.all([...kernels, ...options]).finally(() => backend.close());
      };
      const [alone, shared] = [await results(1), await results(2)];
      for (const [place, result] of alone.entries()) expect(shared[place]).toEqual(result);
    },
  );

  test('gives memory back at the call, and refuses what was released', () => {
    const backend = createNative({ threads: 1 });
    const tensor = backend.createTensor([1000]);
    const before = process.memoryUsage().external;
    const large = backend.createTensor([4_000_000]);
    expect(process.memoryUsage().external - before).toBeGreaterThan(15_000_000);
    backend.release(large);
    expect(process.memoryUsage().external - before).toBeLessThan(1_000_000);
    backend.release(tensor);
    expect(() => backend.scale({ tensor, factor: 2 })).toThrow('released');
    backend.close();
  });

  test('refuses sizes that no memory holds, unknown instruction sets and numbers of threads', () => {
    const backend = createNative({ threads: 1 });
    expect(() => backend.createTensor([2 ** 40])).toThrow('Not enough memory');
    expect(() => createNative({ instructionSet: 'abacus' })).toThrow(RangeError);
    expect(() => createNative({ threads: 0 })).toThrow(RangeError);
    expect(() => createNative({ precision: 'fp8' as 'bf16' })).toThrow(RangeError);
    backend.close();
  });
});

describe('without the addon', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('"native" fails and names the remedy, "auto" warns once and takes the reference', async () => {
    vi.stubEnv('UNFOLD_TEST_NATIVE_ADDON', '/nowhere/unfold_kernels.node');
    await expect(createBackend('native')).rejects.toBeInstanceOf(NativeUnavailableError);
    await expect(createBackend('native')).rejects.toThrow('npm rebuild @unfold/kernels');
    const heard: string[] = [];
    for (let i = 0; i < 2; i++) {
      const backend = await createBackend('auto', { warn: (message) => heard.push(message) });
      expect(backend.describe().name).toBe('reference');
    }
    expect(heard).toHaveLength(1);
    expect(heard[0]).toContain('npm rebuild @unfold/kernels');
  });
});
