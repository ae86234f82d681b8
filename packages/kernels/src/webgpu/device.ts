/// <reference types="@webgpu/types" />
import {
  DeviceLostError,
  DeviceMemoryError,
  DeviceValidationError,
  WebgpuUnavailableError,
} from './errors.ts';
import type { Pipelines } from './kernel.ts';

/** The bits of GPUBufferUsage and GPUMapMode, by the WebGPU specification; the package defines them only where its globals are installed. */
export const usage = {
  mapRead: 1,
  copySource: 4,
  copyTarget: 8,
  uniform: 64,
  storage: 128,
  queryResolve: 512,
} as const;
export const mapModeRead = 1;

/** A GPU of this process, shared by all its backends so that a kernel is compiled once. */
export interface Device {
  readonly gpu: GPUDevice;
  /** `vendor-architecture-driver`, as far as they are told: equal names promise equal bits. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** A driver that computes on this machine's processor, such as SwiftShader: for tests. */
  readonly isSoftware: boolean;
  /** Compiled kernels, see `kernel.ts`. */
  readonly pipelines: Pipelines;
  /** null while the device is there. */
  lost(): DeviceLostError | null;
  /** Calls `body`, and notes what the device has to say about it. */
  guarded<T>(body: () => T): T;
  /** Resolves when everything noted so far has been heard. @throws DeviceLostError, DeviceMemoryError or DeviceValidationError, whatever was noted first */
  check(): Promise<void>;
}

/** More than the guaranteed limits, as far as the adapter has them. */
const wantedLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

/** Taken where the adapter has them: the clock of a profile. */
const wantedFeatures: readonly GPUFeatureName[] = ['timestamp-query'];

/** Optional, so no import that a build without it would miss. */
const dawn: string = 'webgpu';

/** Kept, since devices do not outlive the collection of what they came from. */
let instance: GPU | null = null;

async function requestAdapter(): Promise<GPUAdapter> {
  let create: (options: string[]) => GPU;
  try {
    ({ create } = (await import(dawn)) as { create: typeof create });
  } catch (cause) {
    throw new WebgpuUnavailableError(
      'The engine "webgpu" needs the package webgpu, which is not installed or has no build for this platform.',
      { remedy: 'Run "npm install" with optional dependencies.', cause },
    );
  }
  // Rounded clocks are for browsers, which keep secrets from pages.
  instance = create(['disable-dawn-features=timestamp_quantization']);
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    instance = null;
    throw new WebgpuUnavailableError('The engine "webgpu" finds no GPU.', {
      remedy:
        "On Linux it needs a Vulkan driver and its loader (Debian: libvulkan1, and the vendor's driver or mesa-vulkan-drivers), in a container also the device itself.",
    });
  }
  return adapter;
}

function nameOf({ vendor, architecture, description }: GPUAdapterInfo): string {
  const driver = /\d+(\.\d+)+/.exec(description)?.[0] ?? '';
  return [vendor, architecture, driver].filter((part) => part !== '').join('-') || 'unknown';
}

async function open(): Promise<Device> {
  const adapter = await requestAdapter();
  const { info, limits } = adapter;
  const gpu = await adapter.requestDevice({
    requiredFeatures: wantedFeatures.filter((name) => adapter.features.has(name)),
    requiredLimits: Object.fromEntries(wantedLimits.map((name) => [name, limits[name]])),
  });
  let lost: DeviceLostError | null = null;
  let first: Error | null = null;
  let heard: Promise<unknown> = Promise.resolve();
  gpu.lost.then(({ message, reason }) => {
    lost = new DeviceLostError(`The GPU was lost (${reason}): ${message}`);
    if (current?.device === device) current = null;
  });

  function note(scope: Promise<GPUError | null>, toError: (message: string) => Error): void {
    const noted = scope.then(
      (error) => {
        if (error) first ??= toError(error.message);
      },
      // A device that is lost answers no question; that it is lost is told by itself.
      () => {},
    );
    heard = Promise.all([heard, noted]);
  }

  const device: Device = {
    gpu,
    name: nameOf(info),
    title: info.description === '' ? info.device : `${info.device} (${info.description})`,
    isSoftware: info.isFallbackAdapter || info.architecture === 'swiftshader',
    pipelines: new Map(),
    lost: () => lost,
    guarded(body) {
      if (lost) throw lost;
      gpu.pushErrorScope('validation');
      gpu.pushErrorScope('out-of-memory');
      try {
        return body();
      } finally {
        note(
          gpu.popErrorScope(),
          (message) => new DeviceMemoryError(`The GPU has no memory left: ${message}`),
        );
        note(
          gpu.popErrorScope(),
          (message) => new DeviceValidationError(`The GPU's driver refused a call: ${message}`),
        );
      }
    },
    async check() {
      await heard;
      heard = Promise.resolve();
      const error = lost ?? first;
      first = null;
      if (error) throw error;
    },
  };
  return device;
}

interface Opened {
  readonly opening: Promise<Device>;
  device: Device | null;
}

let current = null as Opened | null;

/** The GPU of this process; opened once, and again after it was lost. @throws WebgpuUnavailableError where there is none */
export async function openDevice(): Promise<Device> {
  if (!current) {
    const mine: Opened = { opening: open(), device: null };
    current = mine;
    mine.opening.then(
      (device) => {
        mine.device = device;
      },
      () => {
        if (current === mine) current = null;
      },
    );
  }
  return current.opening;
}
