import { parentPort, workerData } from 'node:worker_threads';
import type { FrameBody } from '@unfold/contracts';
import { computesIn, UnfoldError } from '@unfold/contracts/values';
import {
  type Backend,
  type ControlAnswer,
  createBackend,
  DeviceLostError,
  EngineUnavailableError,
  precisionOf,
  type TrainingEvent,
  train,
} from '@unfold/rnn/training';
import { toUnfoldError } from './outcome-of-error.ts';
import {
  cells,
  maxUnwrittenEntries,
  type ThreadMessage,
  type ThreadOrder,
  type TrainOrder,
  wishes,
} from './thread-messages.ts';

const send = (message: ThreadMessage, transfer: ArrayBuffer[] = []): void =>
  parentPort?.postMessage(message, transfer);

/** Room in the shared memory beyond a checkpoint's first size: its numbers keep theirs, the text of its header does not. */
const headerRoom = 65_536;

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** Text that JSON and PostgreSQL carry unchanged: what a half-trained byte model writes need not be. */
const storable = (text: string): string =>
  Buffer.from(text, 'utf8').toString('utf8').replaceAll('\0', '\uFFFD');

type LoggedEvent = Exclude<TrainingEvent, { type: 'checkpoint' | 'progress' }>;

const toFrame = (event: LoggedEvent, attempt: number): FrameBody => {
  switch (event.type) {
    case 'metric': {
      const values = Object.entries(event.values).map(([name, value]) => [name, finite(value)] as const);
      return { type: 'metric', step: event.step, attempt, values: Object.fromEntries(values) };
    }
    case 'restart':
      return { type: 'restart', attempt, from_step: event.from_step, reason: event.reason };
    case 'diagnostic':
      return { type: 'diagnostic', step: event.step, name: event.name, data: event.data };
    case 'sample':
      return { type: 'sample', step: event.step, text: storable(event.text) };
    case 'log':
      return { type: 'log', level: event.level, message: storable(event.message) };
  }
};

/** The order's engine; one that is not there fails the job, since the job or this worker's configuration asked for it by name. */
const openBackend = async (
  { engine, threads, deviceMemory, spec }: TrainOrder,
  warn: (message: string) => void,
): Promise<Backend> => {
  const unavailable = (message: string, param: string): UnfoldError =>
    new UnfoldError('engine_unavailable', message, { param });
  const precision = precisionOf(spec);
  if (engine !== 'auto' && !computesIn(engine, spec.training.precision))
    throw unavailable(
      `The engine ${engine} does not compute in ${spec.training.precision}.`,
      'training.precision',
    );
  try {
    const backend = await createBackend(engine, {
      ...{ precision, warn },
      ...(threads !== null && { threads }),
      ...(deviceMemory !== null && { memoryBytes: deviceMemory }),
    });
    const { device } = backend.describe();
    if (engine === 'tfjs' && spec.device !== null && spec.device !== device)
      throw unavailable(
        `TensorFlow.js computes on the ${device} of this worker, but the job asks for a ${spec.device}: that takes @tensorflow/tfjs-node-gpu on a worker with a GPU.`,
        'device',
      );
    return backend;
  } catch (error) {
    if (!(error instanceof EngineUnavailableError)) throw error;
    throw new UnfoldError('engine_unavailable', error.message, { param: 'engine', cause: error });
  }
};

/** Whoever ordered this training is not interested any more. */
class Abandoned extends Error {}

const runTraining = async (order: TrainOrder): Promise<void> => {
  const shared = new Int32Array(order.shared);
  const { spec, attempt } = order;
  let entriesSent = 0;
  let checkpointsSent = 0;

  const throwIfAbandoned = (): void => {
    if (Atomics.load(shared, cells.abandoned) === 1) throw new Abandoned();
  };

  // Blocking is the point: a run that outpaces the database must stand still rather than fill the memory. Ending the
  // thread from outside interrupts the wait.
  const waitUntil = (cell: number, reached: number): void => {
    for (;;) {
      throwIfAbandoned();
      const now = Atomics.load(shared, cell);
      if (now >= reached) return;
      Atomics.wait(shared, cell, now);
    }
  };

  const control = (): ControlAnswer => {
    throwIfAbandoned();
    return Atomics.load(shared, cells.wish) === wishes.stop ? 'stop' : 'continue';
  };

  // All checkpoints of a run are written into one piece of memory that both threads see, one after the other.
  let memory = new SharedArrayBuffer(0);
  const checkpointMemory = (bytes: number): Uint8Array => {
    waitUntil(cells.checkpointsSettled, checkpointsSent);
    if (memory.byteLength < bytes) memory = new SharedArrayBuffer(bytes + headerRoom);
    return new Uint8Array(memory, 0, bytes);
  };

  const forward = (event: TrainingEvent): void => {
    if (event.type === 'checkpoint') {
      const { type: _, ...checkpoint } = event;
      checkpointsSent += 1;
      send({ kind: 'checkpoint', checkpoint });
      return;
    }
    waitUntil(cells.entriesWritten, entriesSent + 1 - maxUnwrittenEntries);
    entriesSent += 1;
    if (event.type === 'progress') {
      const { type: _, ...progress } = event;
      send({ kind: 'progress', progress: { ...progress, eta_seconds: finite(progress.eta_seconds ?? NaN) } });
    } else send({ kind: 'frame', body: toFrame(event, attempt) });
  };

  const training = train({
    spec,
    data: order.data,
    validation: order.validation,
    backend: await openBackend(order, (message) => forward({ type: 'log', level: 'warning', message })),
    scratch: order.scratch,
    checkpointMemory,
    ...(order.resume ? { resume: order.resume } : {}),
    ...(order.start ? { start: order.start } : {}),
    control,
  });
  for (;;) {
    const next = await training.next();
    if (next.done) return send({ kind: 'trained', outcome: next.value });
    forward(next.value);
  }
};

const perform = async (order: ThreadOrder): Promise<void> => {
  if (order.kind === 'train') return runTraining(order);
  const { exportCheckpoint } = await import('./export-checkpoint.ts');
  const result = exportCheckpoint(order.checkpoint);
  send({ kind: 'exported', result }, [result.weights.buffer]);
};

const tellFailure = (error: unknown): void => {
  const { code, message, param, stack, cause } = toUnfoldError(error);
  const origin = cause instanceof Error ? cause.stack : stack;
  const device_lost = cause instanceof DeviceLostError;
  send({ kind: 'failed', failure: { code, message, param, stack: origin ?? null, device_lost } });
};

try {
  await perform(workerData as ThreadOrder);
} catch (error) {
  if (!(error instanceof Abandoned)) tellFailure(error);
}
