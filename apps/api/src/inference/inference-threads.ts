import { Worker } from 'node:worker_threads';
import { UnfoldError } from '@unfold/contracts';
import type { FastifyBaseLogger } from 'fastify';
import { RestartingError } from '../http/restarting.ts';
import type { ApiMetrics } from '../metrics.ts';
import type { CallThread } from './inference-call.ts';
import type { ModelMemory, ThreadModels } from './model-memory.ts';
import type { FromThread, ModelSource, ThreadData, ToThread } from './protocol.ts';

export interface Thread extends CallThread {
  /** Has it run, if it does not yet: before anything is posted to it. */
  start(): void;
  models: ThreadModels;
}

/**
 * So many threads, of which the first one runs from the beginning, so that the first answer is quick, and each other one from its first call
 * on: loading takes most of a second of a processor and tens of megabytes, which a service with few calls need not spend.
 */
export interface InferenceThreads {
  /**
   * The least busy thread that has the model, unless another one is far less busy and there is memory for a second copy: then that one loads it
   * too, and two cores write. A thread that does not run yet is as good as an idle one, but comes after those. Short calls gather in the first
   * thread that has the model as long as it keeps up.
   * @param work of the call, as `workOf` has it
   * @throws UnfoldError `unavailable`
   */
  choose(model: ModelSource | null, work: number): Thread;
  /** Calls in all threads. */
  calls(): number;
  /** Ends them; what they are asked for fails. */
  close(): Promise<void>;
}

interface Options {
  count: number;
  data: ThreadData;
  memory: ModelMemory;
  receive(thread: Thread, message: FromThread): void;
  metrics: Pick<ApiMetrics, 'inferenceRestarts'>;
  log: Pick<FastifyBaseLogger, 'error'>;
}

/** With the worker that it runs in, once it does. */
interface Entry extends Thread {
  worker: Worker | null;
}

const restartMs = 100;
/** Calls that a thread may have more than the idlest before that one loads its model as well: few streams gain nothing from being parted. */
const spreadsFrom = 8;

/** Microseconds of a short call: a step of few rows costs nearly what one of many does, and a thread that is woken costs as much as a step. */
const shortWork = 300;
/** How many microseconds of work more than others the thread may have where short calls gather. */
const gathersUpTo = 8000;

/** One that does not run yet comes after those that are as idle. */
const leastBusy = (threads: readonly Entry[]): Entry | undefined =>
  threads.reduce<Entry | undefined>((least, thread) => {
    if (least === undefined || thread.work < least.work) return thread;
    return thread.work === least.work && least.worker === null && thread.worker !== null ? thread : least;
  }, undefined);

const createPost = (send: (messages: ToThread[]) => void): Thread['post'] => {
  let messages: ToThread[] = [];
  const flush = (): void => {
    const due = messages;
    messages = [];
    send(due);
  };
  return (message) => {
    if (messages.length === 0) setImmediate(flush);
    messages.push(message);
  };
};

export const createInferenceThreads = ({
  count,
  data,
  memory,
  receive,
  metrics,
  log,
}: Options): InferenceThreads => {
  const threads: Entry[] = [];
  let closing = false;

  const run = (entry: Entry): Worker => {
    const worker = new Worker(new URL('./thread.js', import.meta.url), {
      workerData: data,
      name: 'inference',
    });
    worker.on('message', (messages: FromThread[]) => {
      for (const message of messages) receive(entry, message);
    });
    worker.on('error', (error) => log.error({ err: error }, 'an inference thread died'));
    worker.on('exit', () => replace(entry));
    // The server decides when the process may end, not an idle thread.
    worker.unref();
    return worker;
  };

  const add = (): Entry => {
    const post = createPost((messages) => entry.worker?.postMessage(messages));
    const entry: Entry = {
      worker: null,
      start() {
        entry.worker ??= run(entry);
      },
      post,
      calls: new Map(),
      work: 0,
      models: memory.thread((model) => post({ type: 'unload', model })),
    };
    threads.push(entry);
    return entry;
  };

  const replace = (entry: Entry): void => {
    threads.splice(threads.indexOf(entry), 1);
    const error = closing
      ? new RestartingError()
      : new UnfoldError('unavailable', 'The inference thread stopped in the middle of this call. Try again.');
    for (const call of [...entry.calls.values()]) call.fail(error);
    entry.models.end();
    if (closing) return;
    metrics.inferenceRestarts.inc();
    // Whatever killed it may kill the next one as well, so not at once.
    setTimeout(() => {
      if (!closing) add().start();
    }, restartMs).unref();
  };

  for (let index = 0; index < count; index++) add();
  threads[0]?.start();

  return {
    choose(model, work) {
      const idlest = leastBusy(threads);
      if (idlest === undefined)
        throw new UnfoldError('unavailable', 'Inference is restarting. Try again shortly.');
      if (model === null) return idlest;
      const having = threads.filter(({ models }) => models.has(model.sha256));
      const least = leastBusy(having);
      if (least === undefined) return idlest;
      const most = work > shortWork ? 0 : gathersUpTo;
      const spreads = least.calls.size >= idlest.calls.size + spreadsFrom && least.work > idlest.work + most;
      if (spreads && memory.fits(model.bytes)) return idlest;
      return having.find((thread) => thread.work <= least.work + most)!;
    },
    calls: () => threads.reduce((total, { calls }) => total + calls.size, 0),
    async close() {
      closing = true;
      await Promise.all(threads.map(({ worker }) => worker?.terminate()));
    },
  };
};
