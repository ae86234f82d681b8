import type { JobResource } from '@unfold/contracts';

export const isFinal = ({ status }: JobResource): boolean =>
  status === 'succeeded' || status === 'failed' || status === 'cancelled';

/** What a run is called: its name, else the end of its id, which differs where beginnings do not. */
export const titleOf = ({ name, id }: JobResource): string => name ?? `job ${id.slice(-8)}`;

const tasks: Record<string, string> = {
  conditional_generation: 'conditional generation',
  sequence_labeling: 'labeling',
  classification: 'classification',
  forecasting: 'forecasting',
};

/** The network in a few words: LSTM 2 × 256, with its task where that is not the usual one. */
export const networkOf = ({ spec }: JobResource): string => {
  const { cell, num_layers, hidden_size } = spec.model;
  const network = `${cell === 'elman' ? 'Elman' : cell.toUpperCase()} ${num_layers} × ${hidden_size}`;
  return spec.task === 'language_model' ? network : `${network}, ${tasks[spec.task] ?? spec.task}`;
};

/**
 * How much of a run is done, or null when that is not known: what it told last, and by its steps what has come since.
 * @param step the last that is known of
 */
export const shareOf = ({ status, progress }: JobResource, step: number): number | null => {
  if (status === 'succeeded') return 1;
  const { total_steps: total, share } = progress;
  if (!total) return share;
  return Math.min(1, Math.max(share ?? 0, Math.max(step, progress.step) / total));
};
