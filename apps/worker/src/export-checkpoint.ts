import { exportWeights, inspectWeights } from '@unfold/rnn/host';
import type { ExportedWeights, ModelShape } from './thread-messages.ts';

/** The bytes in a buffer of their own, which is what may change hands between threads. */
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
    ? (bytes as Uint8Array<ArrayBuffer>)
    : new Uint8Array(bytes);

const shapeOf = (weights: Uint8Array): ModelShape => {
  const { parameters, vocabulary_size } = inspectWeights(weights, { headerBytes: weights.byteLength });
  return { parameters, vocabulary_size };
};

/** The published weights of a checkpoint, on the thread that calls this: it copies every parameter. */
export const exportCheckpoint = (checkpoint: Uint8Array): ExportedWeights => {
  const weights = owned(exportWeights(checkpoint));
  return { weights, ...shapeOf(weights) };
};
