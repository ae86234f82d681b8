import { type Device, usage } from './device.ts';
import { DeviceMemoryError } from './errors.ts';
import { type Place, placeOf } from './place.ts';

interface Span {
  at: number;
  size: number;
}

interface Heap {
  readonly buffer: GPUBuffer;
  readonly size: number;
  /** Sorted by place, never adjacent. */
  free: Span[];
  /** From here on nothing was ever used, so that zeros need no writing. */
  fresh: number;
}

/** Elements of the first heap of a backend; each further one is four times as large. */
const firstHeap = 2 ** 24;
/** Places begin at multiples of this many elements, as the widest access of a GPU likes it. */
const alignment = 64;
const mostHeaps = 7;

/**
 * Device memory of one backend: a few large buffers that every kernel sees whole, tensors being places in them. So kernels need few bindings, whatever
 * shares memory with whatever, and a dispatch needs no bind group of its own.
 */
export interface Heaps {
  /** `isFresh`: it holds zeros already. */
  allocate(length: number): { place: Place; isFresh: boolean };
  free(place: Place): void;
  buffer(heap: number): GPUBuffer;
  /** Of all heaps, used or not. */
  readonly bytes: number;
  /** Bytes that one place may have, and all heaps together. */
  readonly limits: { readonly tensor: number; readonly total: number };
  close(): void;
}

const aligned = (length: number) => Math.max(1, Math.ceil(length / alignment)) * alignment;

/** Takes `size` from the first span that has them. */
function take(heap: Heap, size: number): number | null {
  const index = heap.free.findIndex((span) => span.size >= size);
  const span = heap.free[index];
  if (!span) return null;
  const { at } = span;
  span.at += size;
  span.size -= size;
  if (span.size === 0) heap.free.splice(index, 1);
  return at;
}

function giveBack(heap: Heap, at: number, size: number): void {
  let index = heap.free.findIndex((span) => span.at > at);
  if (index < 0) index = heap.free.length;
  const [before, after] = [heap.free[index - 1], heap.free[index]];
  const joinsAfter = after !== undefined && at + size === after.at;
  if (before && before.at + before.size === at) {
    before.size += size + (joinsAfter ? after.size : 0);
    if (joinsAfter) heap.free.splice(index, 1);
  } else if (joinsAfter) {
    after.at = at;
    after.size += size;
  } else heap.free.splice(index, 0, { at, size });
}

/** @param budget bytes that all heaps may have together */
export function createHeaps(
  device: Device,
  { first = firstHeap, budget = Number.POSITIVE_INFINITY }: { first?: number; budget?: number } = {},
): Heaps {
  const { limits } = device.gpu;
  const largest =
    Math.floor(Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) / 4 / alignment) *
    alignment;
  // One binding is for integers.
  const most = Math.min(mostHeaps, limits.maxStorageBuffersPerShaderStage - 1);
  const total = Math.min(4 * most * largest, budget);
  const heaps: Heap[] = [];
  const taken = () => heaps.reduce((sum, { size }) => sum + 4 * size, 0);
  let isClosed = false;

  function grow(size: number): Heap {
    const wanted = Math.max(size, first * 4 ** heaps.length);
    const left = Math.floor((total - taken()) / 4 / alignment) * alignment;
    if (size > largest || size > left || heaps.length === most)
      throw new DeviceMemoryError(
        `Expected at most ${total} bytes of GPU memory, in ${most} pieces of ${4 * largest} at most, but ${4 * size} are needed beside ${taken()}.`,
      );
    const length = Math.min(largest, wanted, left);
    const buffer = device.guarded(() =>
      device.gpu.createBuffer({
        size: 4 * length,
        usage: usage.storage | usage.copySource | usage.copyTarget,
      }),
    );
    const heap: Heap = { buffer, size: length, free: [{ at: 0, size: length }], fresh: 0 };
    heaps.push(heap);
    return heap;
  }

  return {
    allocate(length) {
      if (isClosed) throw new TypeError('Expected a living backend, but it was closed.');
      const size = aligned(length);
      let index = 0;
      let at: number | null = null;
      for (; index < heaps.length && at === null; index++) at = take(heaps[index]!, size);
      if (at === null) {
        at = take(grow(size), size)!;
        index = heaps.length;
      }
      const heap = heaps[index - 1]!;
      const isFresh = at >= heap.fresh;
      heap.fresh = Math.max(heap.fresh, at + size);
      return { place: placeOf(index - 1, at, length), isFresh };
    },
    free: ({ heap, at, length }) => giveBack(heaps[heap]!, at, aligned(length)),
    buffer: (heap) => heaps[heap]!.buffer,
    get bytes() {
      return taken();
    },
    limits: { tensor: Math.min(4 * largest, total), total },
    close() {
      isClosed = true;
      for (const { buffer } of heaps) buffer.destroy();
      heaps.length = 0;
    },
  };
}
