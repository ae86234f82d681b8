import { availableProcessors } from '@unfold/rnn/engines';

/** More threads would take memory for copies of a model that few services need. */
const most = 4;

/** Inference threads where the configuration names no number: one per processor that this process may use, within bounds. */
export const standardThreads = (): number => Math.min(availableProcessors(), most);
