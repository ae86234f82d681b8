import { describe, expect, test } from 'vitest';
import { openWebgpu } from '../conformance/software-gpu.ts';
import { openDevice } from './device.ts';
import { copy } from './elementwise.ts';
import { DeviceMemoryError } from './errors.ts';
import { createHeaps } from './heap.ts';
import { createReadback } from './readback.ts';
import { createRecorder } from './recorder.ts';

const found = await openWebgpu();
found?.close();

describe.skipIf(!found)('heaps', () => {
  test('give what was freed again, joined with its neighbours', async () => {
    const heaps = createHeaps(await openDevice(), { first: 1024 });
    const places = Array.from({ length: 4 }, () => heaps.allocate(200).place);
    expect(places.map(({ heap, at }) => [heap, at])).toEqual([
      [0, 0],
      [0, 256],
      [0, 512],
      [0, 768],
    ]);
    for (const i of [0, 2, 1]) heaps.free(places[i]!);
    expect(heaps.allocate(700)).toMatchObject({ place: { heap: 0, at: 0 }, isFresh: false });
    expect(heaps.allocate(65)).toMatchObject({ place: { heap: 1 }, isFresh: true });
    expect(heaps.bytes).toBe(4 * (1024 + 4096));
    heaps.close();
  });

  test('keep within a budget', async () => {
    const heaps = createHeaps(await openDevice(), { first: 1024, budget: 8192 });
    expect(heaps.limits).toEqual({ tensor: 8192, total: 8192 });
    for (const size of [1024, 1024]) heaps.allocate(size);
    expect(heaps.bytes).toBe(8192);
    expect(() => heaps.allocate(1)).toThrow(DeviceMemoryError);
    heaps.close();
  });

  test('serve a kernel whose operands stand in different ones', async () => {
    const device = await openDevice();
    const heaps = createHeaps(device, { first: 64 });
    const recorder = createRecorder(device, heaps);
    const readback = createReadback(device, recorder);
    const [a, b, c] = [64, 64, 64].map((size) => heaps.allocate(size).place);
    expect([a!.heap, b!.heap]).toEqual([0, 1]);
    const values = Float32Array.from({ length: 64 }, (_, i) => i);
    recorder.write(a!, values);
    copy(recorder, a!, b!);
    copy(recorder, b!, c!);
    expect(await readback.read(c!)).toEqual(values);
    readback.close();
    recorder.close();
    heaps.close();
  });
});
