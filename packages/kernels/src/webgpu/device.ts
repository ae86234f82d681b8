/// <reference types="@webgpu/types" />
import {
  DeviceLostError,
  DeviceMemoryError,
  DeviceValidationError,
  WebgpuUnavailableError,
} from './errors.ts';
import type { Compiler } from './kernel.ts';
import {
  type AdapterInfo,
  type MatrixKernel,
  matrixFeatures,
  matrixKernel,
  matrixShapeOf,
} from './matrix-kernel.ts';

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
export interface Device extends Compiler {
  /** `vendor-architecture-driver`, as far as they are told: equal names promise equal bits. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** A driver that computes on this machine's processor, such as SwiftShader: for tests. */
  readonly isSoftware: boolean;
  /** Its threads run in groups that can add up without a barrier. */
  readonly hasSubgroups: boolean;
  /** A product on its matrix units; null: it has none that would do, or was opened without. */
  readonly matrices: MatrixKernel | null;
  /** null while the device is there. */
  lost(): DeviceLostError | null;
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

/** Taken where the adapter has them: the clock of a profile, and sums by subgroups. */
const wantedFeatures: readonly string[] = ['timestamp-query', 'subgroups'];

/** Optional, so no import that a build without it would miss. */
const dawn: string = 'webgpu';

/** What a device is opened for: `matrices` lets Dawn offer what it counts as experimental, which it does not do otherwise. */
type Purpose = 'plain' | 'matrices';

/** Kept, since devices do not outlive the collection of what they came from. */
const instances = new Map<Purpose, GPU>();

async function requestAdapter(purpose: Purpose): Promise<GPUAdapter> {
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
  const instance = create([
    'disable-dawn-features=timestamp_quantization',
    ...(purpose === 'matrices' ? ['enable-dawn-features=allow_unsafe_apis'] : []),
  ]);
  instances.set(purpose, instance);
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    instances.delete(purpose);
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

async function open(purpose: Purpose): Promise<Device> {
  const adapter = await requestAdapter(purpose);
  const { info, limits } = adapter;
  const hasMatrices = purpose === 'matrices' && matrixFeatures.every((name) => adapter.features.has(name));
  const shape = hasMatrices ? matrixShapeOf(info as unknown as AdapterInfo, limits) : null;
  const wanted = new Set<string>([...wantedFeatures, ...(shape ? matrixFeatures : [])]);
  const gpu = await adapter.requestDevice({
    requiredFeatures: [...wanted].filter((name) => adapter.features.has(name)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(wantedLimits.map((name) => [name, limits[name]])),
  });
  let lost: DeviceLostError | null = null;
  let first: Error | null = null;
  let heard: Promise<unknown> = Promise.resolve();
  gpu.lost.then(({ message, reason }) => {
    lost = new DeviceLostError(`The GPU was lost (${reason}): ${message}`);
    if (opened.get(purpose)?.device === device) opened.delete(purpose);
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
    hasSubgroups:
      gpu.features.has('subgroups') && instances.get(purpose)!.wgslLanguageFeatures.has('subgroup_id'),
    matrices: shape && matrixKernel(shape),
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

const opened = new Map<Purpose, Opened>();

/** The GPU of this process; opened once for each purpose, and again after it was lost. @throws WebgpuUnavailableError where there is none */
export async function openDevice(purpose: Purpose = 'plain'): Promise<Device> {
  const present = opened.get(purpose);
  if (present) return present.opening;
  const mine: Opened = { opening: open(purpose), device: null };
  opened.set(purpose, mine);
  mine.opening.then(
    (device) => {
      mine.device = device;
    },
    () => {
      if (opened.get(purpose) === mine) opened.delete(purpose);
    },
  );
  return mine.opening;
}
