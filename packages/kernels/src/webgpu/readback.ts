import { type Device, mapModeRead, usage } from './device.ts';
import type { Place } from './place.ts';
import type { Recorder } from './recorder.ts';

/** Room that downloads asked for together share; larger ones have their own. */
const sharedBytes = 2 ** 18;

/** A buffer on its way to the host. */
interface Batch {
  readonly buffer: GPUBuffer;
  used: number;
  readonly arrived: Promise<Float32Array>;
}

/** Brings numbers to the host. */
export interface Readback {
  /** A copy of what stands there once everything enqueued so far has run. @throws what `Device.check` does */
  read(place: Place): Promise<Float32Array>;
  close(): void;
}

export function createReadback(device: Device, recorder: Recorder): Readback {
  const idle: GPUBuffer[] = [];
  let open: Batch | null = null;
  let isClosed = false;

  function createBuffer(size: number): GPUBuffer {
    return device.guarded(() => device.gpu.createBuffer({ size, usage: usage.mapRead | usage.copyTarget }));
  }

  /** Sends what was recorded, and waits for the first `bytes()` of the buffer. */
  async function fetch(buffer: GPUBuffer, bytes: () => number): Promise<Float32Array> {
    // What is asked for meanwhile travels too.
    await null;
    if (open?.buffer === buffer) open = null;
    recorder.flush();
    const mapped = buffer.mapAsync(mapModeRead, 0, bytes()).then(
      () => null,
      (error: unknown) => error,
    );
    const refusal = await mapped;
    // What went wrong is told better by the scopes around the calls than by the refusal to map.
    await device.check();
    if (refusal) throw refusal;
    const values = new Float32Array(buffer.getMappedRange(0, bytes()).slice(0));
    buffer.unmap();
    return values;
  }

  function begin(): Batch {
    const buffer = idle.pop() ?? createBuffer(sharedBytes);
    const batch: Batch = {
      buffer,
      used: 0,
      arrived: fetch(buffer, () => batch.used).then((values) => {
        if (isClosed) buffer.destroy();
        else idle.push(buffer);
        return values;
      }),
    };
    return batch;
  }

  return {
    async read(place) {
      const bytes = 4 * place.length;
      if (bytes === 0) return new Float32Array(0);
      if (bytes > sharedBytes) {
        const buffer = createBuffer(bytes);
        recorder.read(place, buffer, 0);
        try {
          return await fetch(buffer, () => bytes);
        } finally {
          buffer.destroy();
        }
      }
      if (open && open.used + bytes > sharedBytes) open = null;
      open ??= begin();
      const at = open.used;
      open.used += bytes;
      recorder.read(place, open.buffer, at);
      const { arrived } = open;
      return (await arrived).subarray(at / 4, (at + bytes) / 4);
    },
    close() {
      isClosed = true;
      for (const buffer of idle) buffer.destroy();
    },
  };
}
