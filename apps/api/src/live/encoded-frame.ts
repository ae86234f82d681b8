import { endsJob, type Frame } from '@unfold/contracts';

/** A frame with its JSON text, which is made once and sent to everybody. */
export interface EncodedFrame {
  frame: Frame;
  seq: number;
  text: string;
  /** A status that ends the job, unless it was resumed later. */
  ends: boolean;
}

export const encodeFrame = (frame: Frame): EncodedFrame => ({
  frame,
  seq: frame.seq,
  text: JSON.stringify(frame),
  ends: endsJob(frame),
});
