import type { UnfoldError } from '@unfold/contracts';
import type { Span } from '@unfold/telemetry';
import type { CallSignal } from '../http/gone-signal.ts';
import { endOf } from '../http/restarting.ts';
import type { ApiMetrics } from '../metrics.ts';
import { ChunkQueue } from './chunk-queue.ts';
import type { ThreadModels } from './model-memory.ts';
import type { SentTask, Task, ToThread } from './protocol.ts';
import { unusualOptions } from './usual-options.ts';

/** What a call has to do with the thread that it is in. */
export interface CallThread {
  /** Tells it, together with all else of this turn: a message alone costs more than what is in it. */
  post(message: ToThread): void;
  /** Those that it is asked for. They fail if it dies. */
  calls: Map<number, Pick<InferenceCall, 'settle' | 'fail' | 'chunks'>>;
  /** What they take, as `workOf` has it. */
  work: number;
}

interface Parts {
  id: number;
  task: Task;
  /** As `workOf` has it. */
  work: number;
  thread: CallThread;
  /** What it keeps of the models' memory until it is over. */
  used: ReturnType<ThreadModels['use']> | null;
  signal: CallSignal;
  span: Span;
  metrics: Pick<ApiMetrics, 'inferenceRunning'>;
}

const isSession = (task: Task): boolean => task.type === 'complete' && task.options.session !== null;

const toSend = (task: Task): SentTask =>
  task.type === 'complete' ? { ...task, options: unusualOptions(task.options) } : task;

/** A task in a thread, from its start to its result: what `chunks` ends with, after the chunks of a completion. */
export class InferenceCall {
  readonly chunks: ChunkQueue<unknown>;
  readonly #parts: Parts;
  readonly #cancel = (): void => this.cancel();

  /** Tells the thread. */
  constructor(parts: Parts) {
    this.#parts = parts;
    const { id, task, work, thread, signal, metrics } = parts;
    this.chunks = new ChunkQueue({
      giveCredit: (chunks) => this.#post({ type: 'credit', id, chunks }),
      tellsEnds: isSession(task),
    });
    thread.calls.set(id, this);
    thread.work += work;
    metrics.inferenceRunning.inc();
    signal.addEventListener('abort', this.#cancel);
    this.#post({ type: 'start', id, task: toSend(task) });
    if (signal.aborted) this.cancel();
  }

  settle(result: unknown): void {
    this.#leave();
    this.chunks.end(result);
  }

  fail(error: UnfoldError): void {
    this.#parts.span.fail(error);
    this.#leave();
    this.chunks.fail(error);
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    const { id, task, thread, signal } = this.#parts;
    if (!thread.calls.has(id)) return;
    this.#post({ type: 'cancel', id, taken: this.chunks.taken });
    // The thread still says where a session goes on.
    if (isSession(task)) this.chunks.drop();
    else this.fail(endOf(signal));
  }

  #post(message: ToThread): void {
    const { thread, used } = this.#parts;
    // What is waited for is the same for all messages of a call, so that they keep their order.
    if (used?.room) void used.room.then(() => thread.post(message));
    else thread.post(message);
  }

  #leave(): void {
    const { id, work, thread, used, signal, span, metrics } = this.#parts;
    signal.removeEventListener('abort', this.#cancel);
    if (!thread.calls.delete(id)) return;
    thread.work -= work;
    used?.leave();
    metrics.inferenceRunning.dec();
    span.end();
  }
}
