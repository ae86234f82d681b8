import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Tensor } from '../backend.ts';
import { cells } from '../conformance/cases.ts';
import { createTruth } from '../conformance/engines.ts';
import { Harness, valuesOf } from '../conformance/harness.ts';
import { openWebgpu } from '../conformance/software-gpu.ts';
import { createBackend } from '../create-backend.ts';
import { openDevice, usage } from './device.ts';
import {
  DeviceLostError,
  DeviceMemoryError,
  DeviceValidationError,
  WebgpuUnavailableError,
} from './errors.ts';
import { createWebgpu, type WebgpuBackend } from './webgpu-backend.ts';

const found = await openWebgpu();
found?.close();

describe.skipIf(!found)('the webgpu engine', () => {
  let backend: WebgpuBackend;
  beforeAll(async () => {
    backend = await createWebgpu();
  });
  afterAll(() => backend.close());

  function upload(shape: readonly number[], values: ArrayLike<number>): Tensor {
    const tensor = backend.createTensor(shape);
    backend.upload(tensor, Float32Array.from(values));
    return tensor;
  }

  test('says what computes, in a name that promises equal bits', () => {
    expect(backend.describe()).toMatchObject({ name: 'webgpu', precision: 'float32', emulated: false });
    expect(backend.describe().engine).toMatch(/^webgpu-.+-float32$/);
    expect(backend.describe().device).not.toBe('');
  });

  test('a row of a product has the same bits from every kernel that makes it', async () => {
    const [K, P] = [18, 67];
    const b = upload([K, P], valuesOf('b', K * P));
    const own = valuesOf('row', K);
    const seen: number[][] = [];
    // Element by element, in small tiles, in large ones.
    for (const M of [1, 64, 4000]) {
      const values = new Float32Array(M * K);
      values.set(own, (M - 1) * K);
      const output = backend.createTensor([M, P]);
      backend.matmul({ a: upload([M, K], values), b, output });
      seen.push([...(await backend.download(backend.view(output, M - 1, 1)))]);
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });

  test.each(cells)('agrees with the truth on %s in sizes that fill tiles', async ({ cell, activation }) => {
    const [T, N, C, H] = [3, 33, 40, 48];
    const layer = { cell, activation, inputSize: C, hiddenSize: H, input: 'dense' } as const;
    const truth = createTruth();
    const [own, expected] = await Promise.all(
      [backend, truth].map(async (on) => {
        const h = new Harness(on);
        const parameters = h.recurrent('p', layer, 1 / Math.sqrt(H));
        const gradients = h.recurrent('d', layer, 0.1);
        const saved = on.createSaved(layer, T, N);
        const output = h.empty([T, N, H]);
        const none = { h0: null, c0: null, hT: null, cT: null };
        on.recurrentForward({ layer, parameters, input: h.real('x', [T, N, C]), ...none, output, saved });
        const dInput = h.empty([T, N, C]);
        const ends = { dhT: null, dcT: null, dh0: null, dc0: null };
        const dOutput = h.real('dOutput', [T, N, H]);
        on.recurrentBackward({ layer, parameters, gradients, saved, dOutput, dInput, ...ends });
        return h.read({ output, dInput, ...gradients });
      }),
    );
    truth.close();
    for (const [name, values] of Object.entries(expected!)) {
      const size = Math.max(...values.map(Math.abs));
      const worst = Math.max(...values.map((value, i) => Math.abs(value - own![name]![i]!)));
      expect(worst / size, name).toBeLessThan(1e-5);
    }
  });

  test('calls see what was uploaded before them and nothing later, numbers and integers', async () => {
    const source = upload([3, 1], [1, 2, 3]);
    const indices = backend.createTensor([2], 'int');
    const outputs = [0, 1].map(() => backend.createTensor([2, 1]));
    backend.upload(indices, [0, 2]);
    backend.gatherRows({ source, indices, output: outputs[0]! });
    backend.upload(indices, [1, -1]);
    backend.upload(source, [4, 5, 6]);
    backend.gatherRows({ source, indices, output: outputs[1]! });
    const early = outputs.map((output) => backend.download(output));
    backend.zero(...outputs);
    expect((await Promise.all(early)).map((values) => [...values])).toEqual([
      [1, 3],
      [5, 0],
    ]);
    expect([...(await backend.download(outputs[0]!))]).toEqual([0, 0]);
  });

  test('a double holds more than a float32, and what is not finite', async () => {
    const double = backend.createTensor([1], 'double');
    for (const value of [1 + 2 ** -40, 2 ** 30 + 1, Number.NEGATIVE_INFINITY, Number.NaN]) {
      backend.upload(double, [value]);
      expect([...(await backend.download(double))]).toEqual([value]);
    }
  });

  test('memory is flat from step to step, and what is released is used again, as zeros', async () => {
    const layer = { cell: 'lstm', inputSize: 5, hiddenSize: 6, input: 'dense' } as const;
    const h = new Harness(backend);
    const parameters = h.recurrent('p', layer);
    const input = h.real('x', [4, 3, 5]);
    const output = h.empty([4, 3, 6]);
    const none = { h0: null, c0: null, hT: null, cT: null, saved: null };
    const step = () => backend.recurrentForward({ layer, parameters, input, ...none, output });
    step();
    const bytes = backend.deviceBytes;
    const count = 4_000_000;
    const ones = backend.createTensor([count]);
    for (let i = 0; i < 5; i++) {
      step();
      const large = backend.createTensor([count]);
      expect([...(await backend.download(backend.view(large, count - 2, 2)))]).toEqual([0, 0]);
      backend.upload(backend.view(ones, count - 1, 1), [1]);
      backend.copy({ source: ones, target: large });
      backend.release(large);
    }
    expect(backend.deviceBytes).toBe(bytes);
  });

  test('more memory than there is, and a precision that it has not, are refused at the call', async () => {
    expect(() => backend.createTensor([2 ** 34])).toThrow(DeviceMemoryError);
    await expect(createBackend('webgpu', { precision: 'bf16' })).rejects.toThrow(RangeError);
  });

  test('what the driver refuses is told by the next download', async () => {
    const { gpu, guarded } = await openDevice();
    const tensor = backend.createTensor([1]);
    guarded(() => gpu.createBuffer({ size: 4, usage: usage.mapRead | usage.storage }));
    await expect(backend.download(tensor)).rejects.toThrow(DeviceValidationError);
    expect([...(await backend.download(tensor))]).toEqual([0]);
  });

  test('a device that is lost is told by whatever comes next, and another one can be opened', async () => {
    const doomed = await createWebgpu();
    const tensor = doomed.createTensor([2]);
    const { gpu } = await openDevice();
    doomed.scale({ tensor, factor: 2 });
    gpu.destroy();
    await expect(doomed.download(tensor)).rejects.toThrow(DeviceLostError);
    expect(() => doomed.scale({ tensor, factor: 2 })).toThrow(DeviceLostError);
    await expect(doomed.synchronize()).rejects.toThrow(DeviceLostError);
    doomed.close();
    const next = await createWebgpu();
    expect([...(await next.download(next.createTensor([2])))]).toEqual([0, 0]);
    next.close();
  });
});

describe.skipIf(process.platform !== 'linux')('without a GPU', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('"webgpu" fails and says what it needs', async () => {
    vi.stubEnv('VK_DRIVER_FILES', '/nowhere/icd.json');
    vi.resetModules();
    const { createBackend: create } = await import('../create-backend.ts');
    const failure = await create('webgpu').catch((error: unknown) => error);
    expect((failure as Error).name).toBe(WebgpuUnavailableError.name);
    expect((failure as Error).message).toMatch(/a Vulkan driver|the package webgpu/);
  });
});
