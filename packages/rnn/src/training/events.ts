/** Why a checkpoint was written. */
export type CheckpointReason = 'scheduled' | 'evaluation' | 'requested' | 'final';

/** What a training run tells while it goes on. */
export type TrainingEvent =
  | { type: 'metric'; step: number; values: Record<string, number> }
  | { type: 'sample'; step: number; text: string }
  /** What `diagnostics_every` asks for; the README says what `data` is by name. */
  | { type: 'diagnostic'; step: number; name: string; data: unknown }
  /** The run goes on from an earlier state: forget every event of a later step. */
  | { type: 'restart'; from_step: number; reason: 'rolled_back' }
  | { type: 'log'; level: 'info' | 'warning' | 'error'; message: string }
  | {
      type: 'progress';
      step: number;
      total_steps: number;
      epoch: number;
      tokens: number;
      /** Training time, of all attempts together. */
      seconds: number;
      /** Of the run, how much is done, from 0 to 1: of its steps, or of `max_seconds` where those are over first. */
      share: number;
      eta_seconds: number | null;
    }
  | {
      type: 'checkpoint';
      step: number;
      /** A safetensors file, owned by the receiver. */
      data: Uint8Array;
      reason: CheckpointReason;
      /** Measured at this very step, or null. */
      validation_loss: number | null;
      /** Whether that is the lowest so far. */
      best: boolean;
      /** What `inspectWeights` says of it. */
      parameters: number;
      vocabulary_size: number;
    };

/** How a run ended: `completed`, or `stopped` because it was asked to. */
export interface TrainingOutcome {
  type: 'completed' | 'stopped';
  step: number;
}

/** The answer to "what now?" after a step: go on, write a checkpoint now, or write one and stop. */
export type ControlAnswer = 'continue' | 'checkpoint' | 'stop';
