import type { TensorValues } from '../backend.ts';
import type { Saved } from '../checks/recurrent.ts';
import { type Door, expectOwn, sizeOf } from '../engine.ts';
import { pack, unpack } from '../reference/layout.ts';
import { shapeOfRole } from '../roles.ts';
import { createTensors as createSharedTensors, hostArray, type Storage } from '../tensors.ts';
import type { Heaps } from './heap.ts';
import { type Place, part, placeOf } from './place.ts';
import type { Readback } from './readback.ts';
import type { Recorder } from './recorder.ts';

/** A scalar of type `double` is the sum of two float32 here, high and low. */
interface DoublePlace extends Place {
  readonly isDouble: true;
}

/** Integers stay on the host, where calls are checked: kernels are handed them batch by batch, and none makes any. */
type Memory = Place | DoublePlace | Int32Array;

/** What tensors live on. */
export interface Devices {
  readonly heaps: Heaps;
  readonly recorder: Recorder;
  readonly readback: Readback;
  /** Enqueues zeros. */
  clear(place: Place): void;
}

const isDouble = (place: Place): place is DoublePlace => 'isDouble' in place;
const asDouble = (place: Place): DoublePlace => ({ ...place, isDouble: true });

/** High and low of doubles, low 0 where high is not finite. */
function halves(values: TensorValues | readonly number[]): Float32Array {
  const pairs = new Float32Array(2 * values.length);
  values.forEach((value, i) => {
    const high = Math.fround(value);
    pairs[2 * i] = high;
    pairs[2 * i + 1] = Number.isFinite(high) ? value - high : 0;
  });
  return pairs;
}

/** The part of a `Backend` that makes, fills, reads and frees tensors, and what checks ask about them. */
export function createTensors({ heaps, recorder, readback, clear }: Devices) {
  function allocate(length: number): Place {
    if (length === 0) return placeOf(0, 0, 0);
    const { place, isFresh } = heaps.allocate(length);
    if (!isFresh) clear(place);
    return place;
  }

  function free(memory: Memory): void {
    if (!(memory instanceof Int32Array) && memory.length > 0) heaps.free(memory);
  }

  const storage: Storage<Memory, Saved<Place>> = {
    allocate(type, count) {
      if (type === 'int') return new Int32Array(count);
      return type === 'double' ? asDouble(allocate(2 * count)) : allocate(count);
    },
    free,
    freeSaved({ gates, cells, first, normalized, inverses }) {
      for (const place of [gates, cells, first, normalized, inverses]) free(place);
    },
    part(memory, first, count) {
      if (memory instanceof Int32Array) return memory.subarray(first, first + count);
      return isDouble(memory) ? asDouble(part(memory, 2 * first, 2 * count)) : part(memory, first, count);
    },
    packedSize: (role) => sizeOf(shapeOfRole(role)),
    write(memory, values, role) {
      if (memory instanceof Int32Array) {
        memory.set(values);
        recorder.changed(memory);
      } else if (isDouble(memory)) recorder.write(memory, halves(values));
      else if (values instanceof Float32Array && !role) recorder.write(memory, values);
      else {
        const packed = new Float32Array(memory.length);
        if (role) pack(role, values, packed);
        else packed.set(values);
        recorder.write(memory, packed);
      }
    },
    async read(memory, values, role) {
      if (memory instanceof Int32Array) {
        values.set(memory);
        return;
      }
      const read = await readback.read(memory);
      if (role) unpack(role, read, values as Float32Array);
      else if (isDouble(memory))
        for (let i = 0; i < values.length; i++) values[i] = read[2 * i]! + read[2 * i + 1]!;
      else values.set(read);
    },
    hostArray: (type, size) => hostArray(type, size, Float32Array),
  };

  const door: Door<Place, Place> = {
    reals: (tensor, label, shape) => expectOwn<Place>(door, tensor, label, 'real', shape).array,
    ints: (tensor, label, shape) => expectOwn<Int32Array>(door, tensor, label, 'int', shape).array,
    doubles: (tensor, label) => expectOwn<Place>(door, tensor, label, 'double', [1]).array,
  };
  return { ...createSharedTensors(door, storage), door, allocate };
}

export type Tensors = ReturnType<typeof createTensors>;
