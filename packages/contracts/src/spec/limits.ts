/** Bounds of what a job may ask for; memory grows with their products, which `/v1/jobs/estimate` states. */
export const specLimits = {
  hidden_size: 4096,
  num_layers: 8,
  embedding_size: 4096,
  batch_size: 1024,
  sequence_length: 4096,
  max_vocab: 65_536,
  epochs: 100_000,
  max_steps: 1_000_000_000,
  parameters: 200_000_000,
} as const;
