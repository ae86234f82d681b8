import { type Device, usage } from './device.ts';
import type { Heaps } from './heap.ts';
import {
  type Arguments,
  absent,
  bindings,
  type Kernel,
  type Pipeline,
  parameterWords,
  pipelineFor,
} from './kernel.ts';
import type { Place } from './place.ts';
import { createProfiler, type KernelTime } from './profiler.ts';

/** Records dispatches and sends them to the device in batches, one compute pass each. */
export interface Recorder {
  /** Enqueues a kernel over x × y × z workgroups; nothing happens where one of them is 0. */
  dispatch<Real extends string, Int extends string, Number extends string>(
    kernel: Kernel<Real, Int, Number>,
    call: Arguments<Real, Int, Number>,
    groups: readonly [x: number, y?: number, z?: number],
  ): void;
  /** Enqueues a copy from the heaps into a buffer of the caller's. */
  read(place: Place, target: GPUBuffer, targetByte: number): void;
  /** Enqueues values for a place. */
  write(place: Place, values: Float32Array): void;
  /** To be called when integers change that kernels may have been given. */
  changed(values: Int32Array): void;
  /** Sends what was recorded. */
  flush(): void;
  /** Null where nothing is timed. */
  profile(): Promise<KernelTime[]> | null;
  close(): void;
}

/** Dispatches of a batch: more make a driver wait for its first. */
const batchSize = 1024;
const parameterBytes = 4 * parameterWords;
const firstIntegers = 2 ** 16;

/** @param isProfiled times every dispatch, see `Profiler` @param hasSubgroups whether sums may use the device's */
export function createRecorder(
  device: Device,
  heaps: Heaps,
  { isProfiled = false, hasSubgroups = device.hasSubgroups } = {},
): Recorder {
  const { gpu } = device;
  const parameters = gpu.createBuffer({
    size: batchSize * parameterBytes,
    usage: usage.uniform | usage.copyTarget,
  });
  const bytes = new ArrayBuffer(batchSize * parameterBytes);
  const words = { u32: new Uint32Array(bytes), i32: new Int32Array(bytes), f32: new Float32Array(bytes) };
  let integers = new Int32Array(firstIntegers);
  let integerBuffer = createIntegers();
  let integerCount = 0;
  /** Where a batch has integers that several of its kernels read: keyed by the array, which must not change within a batch. */
  let placed = new Map<Int32Array, number>();
  let groups = new Map<string, GPUBindGroup>();

  const profiler = isProfiled ? createProfiler(device, batchSize) : null;
  let encoder: GPUCommandEncoder | null = null;
  let pass: GPUComputePassEncoder | null = null;
  let dispatched = 0;

  function createIntegers(): GPUBuffer {
    return gpu.createBuffer({ size: 4 * integers.length, usage: usage.storage | usage.copyTarget });
  }

  function groupOf({ key, heaps: bound, layout }: Pipeline): GPUBindGroup {
    const present = groups.get(key);
    if (present) return present;
    const entries: GPUBindGroupEntry[] = bound.map((heap) => ({
      binding: heap,
      resource: { buffer: heaps.buffer(heap) },
    }));
    if (key.endsWith('i')) entries.push({ binding: bindings.integers, resource: { buffer: integerBuffer } });
    entries.push({ binding: bindings.parameters, resource: { buffer: parameters, size: parameterBytes } });
    const group = gpu.createBindGroup({ layout, entries });
    groups.set(key, group);
    return group;
  }

  /** Room for `count` integers more in this batch. */
  function reserve(count: number): void {
    if (integerCount + count <= integers.length) return;
    recorder.flush();
    if (count <= integers.length) return;
    integers = new Int32Array(2 ** Math.ceil(Math.log2(count)));
    integerBuffer.destroy();
    integerBuffer = createIntegers();
    groups = new Map();
  }

  function place(values: Int32Array): number {
    const present = placed.get(values);
    if (present !== undefined) return present;
    const at = integerCount;
    integers.set(values, at);
    integerCount += values.length;
    placed.set(values, at);
    return at;
  }

  function begin(): GPUCommandEncoder {
    encoder ??= gpu.createCommandEncoder();
    return encoder;
  }

  function endPass(): void {
    pass?.end();
    pass = null;
  }

  const recorder: Recorder = {
    dispatch(kernel, { reals, ints, numbers }, [x, y = 1, z = 1]) {
      if (x * y * z === 0) return;
      const lost = device.lost();
      if (lost) throw lost;
      const pipeline = pipelineFor(device, kernel, reals, hasSubgroups);
      if (dispatched === batchSize) recorder.flush();
      let count = 0;
      for (const name of kernel.ints) count += placed.has(ints[name]!) ? 0 : (ints[name]?.length ?? 0);
      if (count > 0) {
        // After a flush nothing is placed any more.
        if (integerCount + count > integers.length)
          reserve(kernel.ints.reduce((sum, name) => sum + (ints[name]?.length ?? 0), 0));
      }
      const base = dispatched * parameterWords;
      let word = base;
      for (const name of kernel.reals) words.u32[word++] = reals[name]?.at ?? absent;
      for (const name of kernel.ints) {
        const values = ints[name];
        words.u32[word++] = values ? place(values) : absent;
      }
      for (const name in kernel.numbers) words[kernel.numbers[name]][word++] = numbers[name];
      if (profiler) {
        endPass();
        pass = begin().beginComputePass({ timestampWrites: profiler.next(kernel.name) });
      }
      if (!pass) pass = begin().beginComputePass();
      pass.setPipeline(pipeline.compute);
      pass.setBindGroup(0, groupOf(pipeline), [4 * base]);
      pass.dispatchWorkgroups(x, y, z);
      dispatched++;
    },
    read({ heap, at, length }, target, targetByte) {
      endPass();
      if (length > 0) begin().copyBufferToBuffer(heaps.buffer(heap), 4 * at, target, targetByte, 4 * length);
    },
    write({ heap, at, length }, values) {
      if (length === 0) return;
      recorder.flush();
      const lost = device.lost();
      if (lost) throw lost;
      gpu.queue.writeBuffer(heaps.buffer(heap), 4 * at, values as Float32Array<ArrayBuffer>, 0, length);
    },
    changed({ buffer }) {
      for (const values of placed.keys()) if (values.buffer === buffer) placed.delete(values);
    },
    flush() {
      if (!encoder) return;
      endPass();
      const recorded = encoder;
      encoder = null;
      device.guarded(() => {
        profiler?.resolve(recorded);
        gpu.queue.writeBuffer(parameters, 0, bytes, 0, dispatched * parameterBytes);
        gpu.queue.writeBuffer(integerBuffer, 0, integers, 0, integerCount);
        gpu.queue.submit([recorded.finish()]);
        profiler?.sent();
      });
      dispatched = 0;
      integerCount = 0;
      placed = new Map();
    },
    profile: () => profiler?.take() ?? null,
    close() {
      profiler?.close();
      encoder = null;
      pass = null;
      parameters.destroy();
      integerBuffer.destroy();
    },
  };
  return recorder;
}
