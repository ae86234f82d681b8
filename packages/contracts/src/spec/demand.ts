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

/** Engines by the precisions of products that they have. */
export const enginesOfPrecision = {
  fp32: engineNames,
  bf16: ['native', 'reference'],
  f16: ['webgpu'],
} as const satisfies Record<string, readonly EngineName[]>;

export type PrecisionName = keyof typeof enginesOfPrecision;
export const precisionNames = Object.keys(enginesOfPrecision) as [PrecisionName, ...PrecisionName[]];

/** Whether the engine has products in that precision. */
export const computesIn = (engine: EngineName, precision: PrecisionName): boolean =>
  enginesOfPrecision[precision].some((name) => name === engine);

/** What a job asks of the worker that takes it. */
export interface Demand {
  engine: EngineName | 'auto';
  device: DeviceClass | null;
  training: { precision: PrecisionName };
}

/** The engines that a job may be trained by, wherever it runs. */
const candidates = ({ engine, training }: Demand): readonly EngineName[] =>
  enginesOfPrecision[training.precision].filter((name) => engine === 'auto' || name === engine);

/** The class of device that can serve a job; null: any. */
export const demandedDevice = (demand: Demand): DeviceClass | null => {
  const devices = new Set<DeviceClass | null>(candidates(demand).map((name) => deviceOfEngine[name]));
  const [only = null] = devices;
  return demand.device ?? (devices.size === 1 ? only : null);
};

/**
 * The engine for a job on a worker with `engines`, and the class of device that it computes on. A job that names an engine gets no other,
 * even if the worker lacks it, one that names a device none that computes elsewhere, and none that has not its precision: null if nothing is left.
 * @param engines what the worker has, its choice for jobs that name none first
 * @param tfjs on which class of device TensorFlow.js computes there
 */
export const placement = (
  { engine, device, training }: Demand,
  engines: readonly EngineName[],
  tfjs: DeviceClass = 'cpu',
): { engine: EngineName; device: DeviceClass } | null => {
  for (const name of engine === 'auto' ? engines : [engine]) {
    const own = deviceOfEngine[name] ?? tfjs;
    if ((device === null || own === device) && computesIn(name, training.precision))
      return { engine: name, device: own };
  }
  return null;
};

/** Whether none of these engines ever computes on the device that is asked for. */
const isElsewhere = (engines: readonly EngineName[], device: DeviceClass | null): boolean =>
  device !== null && engines.every((name) => (deviceOfEngine[name] ?? device) !== device);

/** Whether the engine never computes on the device that is asked for. */
export const excludesDevice = ({ engine, device }: Pick<Demand, 'engine' | 'device'>): boolean =>
  engine !== 'auto' && isElsewhere([engine], device);

/** What never goes with the precision that is asked for: the engine, or the device of all engines that have it. */
export const excludedByPrecision = (demand: Demand): 'engine' | 'device' | null => {
  const engines = candidates(demand);
  if (engines.length === 0) return 'engine';
  return demand.engine === 'auto' && isElsewhere(engines, demand.device) ? 'device' : null;
};
