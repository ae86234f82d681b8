/** Kinds of devices: a worker process owns one, and a job may ask for a kind. */
export const deviceClasses = ['cpu', 'gpu'] as const;
export type DeviceClass = (typeof deviceClasses)[number];

/** On which class of device each engine computes; null: on what its library finds where it runs. */
export const deviceOfEngine = {
  native: 'cpu',
  reference: 'cpu',
  webgpu: 'gpu',
  tfjs: null,
} as const satisfies Record<string, DeviceClass | null>;

export type EngineName = keyof typeof deviceOfEngine;
export const engineNames = Object.keys(deviceOfEngine) as [EngineName, ...EngineName[]];

/** Engines that compute in fp32 alone. */
export const fp32Engines: ReadonlySet<string> = new Set<EngineName>(['tfjs', 'webgpu']);

/** What a job asks of the worker that takes it. */
export interface Demand {
  engine: EngineName | 'auto';
  device: DeviceClass | null;
}

/** The class of device that the engine needs; null: any will do. */
const deviceFor = (engine: Demand['engine']): DeviceClass | null =>
  engine === 'auto' ? null : deviceOfEngine[engine];

/** The class of device that can serve a job; null: any. */
export const demandedDevice = ({ engine, device }: Demand): DeviceClass | null => device ?? deviceFor(engine);

/**
 * The engine for a job on a worker with `engines`, and the class of device that it computes on. A job that names an engine gets no other,
 * even if the worker lacks it, and one that names a device none that computes elsewhere: null if nothing is left.
 * @param engines what the worker has, its choice for jobs that name none first
 * @param tfjs on which class of device TensorFlow.js computes there
 */
export const placement = (
  { engine, device }: Demand,
  engines: readonly EngineName[],
  tfjs: DeviceClass = 'cpu',
): { engine: EngineName; device: DeviceClass } | null => {
  for (const name of engine === 'auto' ? engines : [engine]) {
    const own = deviceOfEngine[name] ?? tfjs;
    if (device === null || own === device) return { engine: name, device: own };
  }
  return null;
};

/** Whether the engine never computes on the device that is asked for. */
export const excludesDevice = ({ engine, device }: Demand): boolean =>
  device !== null && (deviceFor(engine) ?? device) !== device;
