/** Kinds of devices: a worker process owns one, and a job may ask for a kind. */
export const deviceClasses = ['cpu', 'gpu'] as const;
export type DeviceClass = (typeof deviceClasses)[number];

/** On which class of device each engine computes. */
const deviceOfEngine = { native: 'cpu', reference: 'cpu' } as const satisfies Record<string, DeviceClass>;

export type EngineName = keyof typeof deviceOfEngine;
export const engineNames = Object.keys(deviceOfEngine) as [EngineName, ...EngineName[]];

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
 * The engine for a job on a worker with `engines`, and the class of device that it computes on.
 * @param engines what the worker has, its choice for jobs that name none first
 */
export const placement = (
  { engine, device }: Demand,
  engines: readonly EngineName[],
): { engine: EngineName; device: DeviceClass } => {
  const suitable = engines.filter((name) => device === null || deviceOfEngine[name] === device);
  const chosen = engine === 'auto' ? (suitable[0] ?? 'reference') : engine;
  return { engine: chosen, device: deviceOfEngine[chosen] };
};

/** Whether the engine never computes on the device that is asked for. */
export const excludesDevice = ({ engine, device }: Demand): boolean =>
  device !== null && (deviceFor(engine) ?? device) !== device;
