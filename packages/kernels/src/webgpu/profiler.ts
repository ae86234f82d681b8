import { type Device, mapModeRead, usage } from './device.ts';

/** What the dispatches of one kernel took on the device. */
export interface KernelTime {
  readonly kernel: string;
  readonly dispatches: number;
  readonly seconds: number;
}

/**
 * Times dispatches by the device's own clock. Each then stands in a compute pass of its own, which costs more than it does otherwise: shares of the whole
 * are what to read from it.
 */
export interface Profiler {
  /** For the pass of one dispatch. */
  next(kernel: string): GPUComputePassTimestampWrites;
  /** To be recorded behind the passes of a batch. */
  resolve(encoder: GPUCommandEncoder): void;
  /** The batch was sent. */
  sent(): void;
  /** By kernel, the longest first, since the last call; everything sent must have run. */
  take(): Promise<KernelTime[]>;
  close(): void;
}

/** Null where the device has no clock for this. @param most dispatches of a batch */
export function createProfiler({ gpu }: Device, most: number): Profiler | null {
  if (!gpu.features.has('timestamp-query')) return null;
  const queries = gpu.createQuerySet({ type: 'timestamp', count: 2 * most });
  const bytes = 16 * most;
  const resolved = gpu.createBuffer({ size: bytes, usage: usage.queryResolve | usage.copySource });
  let names: string[] = [];
  let readable: GPUBuffer | null = null;
  let arriving: Promise<void>[] = [];
  let times = new Map<string, { dispatches: number; seconds: number }>();

  async function read(buffer: GPUBuffer, kernels: readonly string[]): Promise<void> {
    await buffer.mapAsync(mapModeRead);
    const nanoseconds = new BigUint64Array(buffer.getMappedRange());
    for (const [i, kernel] of kernels.entries()) {
      const seconds = Number(nanoseconds[2 * i + 1]! - nanoseconds[2 * i]!) / 1e9;
      const before = times.get(kernel) ?? { dispatches: 0, seconds: 0 };
      times.set(kernel, { dispatches: before.dispatches + 1, seconds: before.seconds + seconds });
    }
    buffer.destroy();
  }

  return {
    next(kernel) {
      const at = 2 * names.length;
      names.push(kernel);
      return { querySet: queries, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
    },
    resolve(encoder) {
      if (names.length === 0) return;
      readable = gpu.createBuffer({ size: bytes, usage: usage.mapRead | usage.copyTarget });
      encoder.resolveQuerySet(queries, 0, 2 * names.length, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, readable, 0, 16 * names.length);
    },
    sent() {
      if (readable) arriving.push(read(readable, names));
      readable = null;
      names = [];
    },
    async take() {
      await Promise.all(arriving);
      arriving = [];
      const taken = [...times].map(([kernel, spent]) => ({ kernel, ...spent }));
      times = new Map();
      return taken.sort((a, b) => b.seconds - a.seconds);
    },
    close() {
      queries.destroy();
      resolved.destroy();
    },
  };
}
