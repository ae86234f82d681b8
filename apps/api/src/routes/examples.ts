import {
  type EstimateResource,
  type FineTuningCheckpoint,
  type FineTuningEvent,
  type FineTuningJob,
  filePurposes,
  type JobResource,
  jobSpec,
  type PreviewResource,
} from '@unfold/contracts';

/** Examples of the OpenAPI document speak of the same things. A test sends the requests and holds the answers against their schemas. */
export const exampleIds = {
  file: 'file-019aab2f6c4e7d3f8a1b2c3d4e5f6071',
  job: 'job-019aab2f7a107c55b0d1e2f3a4b5c6d7',
  checkpoint: 'ckpt-019aab30155a7aa19c8d7e6f5a4b3c2d',
  model: 'model-019aab31c3de7f0e8b7a6c5d4e3f2a1b',
  key: 'key-019aab32004f7bd2a3c4d5e6f708192a',
  webhookEndpoint: 'we-019aab34115e7c43b2a1f0e9d8c7b6a5',
  webhookEvent: 'evt-019aab34a2b97d02c3b4a5968778695a',
  webhookDelivery: 'dlv-019aab34a2ba7f31d4c5b6a798897a6b',
  session: 'sess-019aab3310227d1c9b8a7f6e5d4c3b2a',
  snapshot: 'snap-019aab33a1b27c3d8e9f0a1b2c3d4e5f',
};
const sha256 = 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c';

export const fileExample = {
  id: exampleIds.file,
  object: 'file',
  bytes: 1_238_567,
  created_at: 1_795_377_600,
  expires_at: null,
  filename: 'moby-dick.txt',
  purpose: 'training',
  status: 'processed',
  sha256,
  characters: 1_212_314,
  lines: 22_314,
  invalid_utf8_offset: null,
};

export const uploadBody = {
  required: true,
  content: {
    'multipart/form-data': {
      schema: {
        type: 'object',
        required: ['file', 'purpose'],
        properties: {
          file: { type: 'string', format: 'binary', description: 'Exactly one file.' },
          purpose: { type: 'string', enum: filePurposes },
          'expires_after[anchor]': { type: 'string', enum: ['created_at'] },
          'expires_after[seconds]': {
            type: 'integer',
            minimum: 3600,
            maximum: 2_592_000,
            description:
              'The file is deleted so long after its upload, or when no unfinished job uses it any more.',
          },
        },
      },
    },
  },
};

export const jobRequestExample = {
  name: 'moby-dick',
  file: exampleIds.file,
  model: { cell: 'lstm', hidden_size: 128, num_layers: 1 },
  training: { epochs: 2, batch_size: 32, sequence_length: 64, optimizer: { learning_rate: 0.002 } },
};

export const jobExample: JobResource = {
  id: exampleIds.job,
  object: 'training.job',
  name: 'moby-dick',
  status: 'queued',
  requested: null,
  attempt: 0,
  spec: jobSpec.parse(jobRequestExample),
  warnings: [],
  model_id: null,
  error: null,
  progress: {
    ...{ step: 0, total_steps: null, epoch: 0, tokens: 0 },
    ...{ seconds: 0, share: null, eta_seconds: null },
  },
  queue_position: 1,
  blocked: null,
  engine: null,
  device: null,
  created_at: '2026-11-22T20:00:00.000Z',
  started_at: null,
  ended_at: null,
  metadata: {},
};

export const estimateExample = {
  object: 'training.estimate',
  parameters: 133_985,
  memory_bytes: 6_543_210,
  checkpoint_bytes: 1_607_820,
  steps_per_epoch: 532,
  total_steps: 1064,
  tokens: 2_179_072,
  vocabulary_size: 97,
  exact: false,
  seconds: 21.4,
  blocked: null,
  measured_on: {
    job_id: exampleIds.job,
    engine: 'native',
    device: 'cpu',
    tokens_per_second: 101_825,
  },
} satisfies EstimateResource;

export const previewExample = {
  object: 'training.preview',
  read_bytes: 524_201,
  file_bytes: 1_235_186,
  kind: 'text',
  sequences: 1,
  tokens: 514_877,
  shortest: 514_877,
  longest: 514_877,
  vocabulary: {
    size: 91,
    frequent: [
      { token: ' ', count: 84_102 },
      { token: 'e', count: 51_408 },
    ],
  },
  labels: null,
  vectors: null,
  examples: [{ line: 1, input: ['C', 'a', 'l', 'l'], output: null, context: null, steps: 514_877 }],
} satisfies PreviewResource;

export const frameExample = {
  seq: 7,
  type: 'metric',
  at: '2026-11-22T20:00:05.000Z',
  job_id: exampleIds.job,
  step: 50,
  attempt: 1,
  values: { loss: 2.41, gradient_norm: 0.73, learning_rate: 0.002 },
};

export const metricsExample = {
  job_id: exampleIds.job,
  steps: [10, 20],
  series: { loss: [3.91, 3.12] },
  downsampled: false,
  seq: 5,
};

export const checkpointExample = {
  id: exampleIds.checkpoint,
  object: 'training.checkpoint',
  job_id: exampleIds.job,
  attempt: 1,
  step: 532,
  validation_loss: 1.71,
  best: true,
  bytes: 1_607_820,
  sha256,
  created_at: '2026-11-22T20:00:40.000Z',
};

export const modelExample = {
  id: exampleIds.model,
  object: 'model',
  created: 1_795_377_700,
  owned_by: 'default',
  name: 'moby-dick',
  job_id: exampleIds.job,
  spec: jobExample.spec,
  parameters: 133_985,
  vocabulary_size: 97,
  bytes: 541_240,
  sha256,
  step: 1064,
  validation_loss: 1.62,
};

export const fineTuningRequestExample = {
  model: 'moby-dick',
  training_file: exampleIds.file,
  suffix: 'moby-and-more',
  method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2 } } },
  metadata: { team: 'whales' },
};

const fineTuningHyperparameters = { n_epochs: 2, batch_size: 32, learning_rate_multiplier: 1 };

export const fineTuningJobExample: FineTuningJob = {
  id: exampleIds.job,
  object: 'fine_tuning.job',
  created_at: 1_795_377_600,
  finished_at: null,
  estimated_finish: null,
  status: 'queued',
  model: exampleIds.model,
  fine_tuned_model: null,
  organization_id: 'default',
  training_file: exampleIds.file,
  validation_file: null,
  result_files: [],
  trained_tokens: null,
  seed: 42,
  hyperparameters: fineTuningHyperparameters,
  method: { type: 'supervised', supervised: { hyperparameters: fineTuningHyperparameters } },
  integrations: [],
  metadata: { team: 'whales' },
  error: null,
};

export const fineTuningEventExample: FineTuningEvent = {
  id: 'ftevent-019aab2f7a107c55b0d1e2f3a4b5c6d7-7',
  object: 'fine_tuning.job.event',
  created_at: 1_795_377_605,
  level: 'info',
  message: 'Step 50: training loss=2.4100',
  type: 'metrics',
  data: { step: 50, train_loss: 2.41, gradient_norm: 0.73, learning_rate: 0.002 },
};

export const fineTuningCheckpointExample: FineTuningCheckpoint = {
  id: exampleIds.checkpoint,
  object: 'fine_tuning.job.checkpoint',
  created_at: 1_795_377_640,
  fine_tuning_job_id: exampleIds.job,
  fine_tuned_model_checkpoint: exampleIds.checkpoint,
  step_number: 532,
  metrics: { step: 532, train_loss: 1.78, valid_loss: 1.71, full_valid_loss: 1.71 },
};

export const modelImportExample = { file: exampleIds.file, name: 'moby-imported' };

export const completionRequestExample = {
  model: 'moby-dick',
  prompt: 'Call me ',
  max_tokens: 64,
  temperature: 0.8,
  seed: 1,
};

export const completionExample = {
  id: 'cmpl-019aab3300007e1c9d8e7f6a5b4c3d2e',
  object: 'text_completion',
  created: 1_795_377_800,
  model: exampleIds.model,
  choices: [{ index: 0, text: 'Ishmael.', logprobs: null, finish_reason: 'length' }],
  usage: {
    prompt_tokens: 8,
    completion_tokens: 8,
    total_tokens: 16,
    prompt_tokens_details: { cached_tokens: 0 },
  },
};

export const scoreRequestExample = { input: 'whale' };

export const scoreExample = {
  object: 'list',
  data: [
    {
      tokens: ['w', 'h', 'a', 'l', 'e'],
      log_probabilities: [null, -0.61, -1.2, -1.05, -0.22],
      total: -3.08,
      perplexity: 2.16,
    },
  ],
};

export const activationsRequestExample = { input: 'whale', limit: 1 };

export const activationsExample = {
  object: 'activations',
  tokens: ['w', 'h', 'a', 'l', 'e'],
  layers: [128],
  units: [
    {
      name: '0.17',
      layer: 0,
      unit: 17,
      mean: 0.21212,
      deviation: 0.63411,
      values: [-0.94102, 0.1204, 0.60113, 0.51907, 0.76102],
    },
  ],
};

export const predictRequestExample = { input: ['Rossi', 'Schneider'] };

export const predictExample = {
  object: 'list',
  data: [
    { label: 'Italian', probabilities: { German: 0.04, Italian: 0.96 } },
    { label: 'German', probabilities: { German: 0.91, Italian: 0.09 } },
  ],
};

export const keyRequestExample = {
  name: 'owner',
  scopes: ['admin'],
  limits: { requests_per_minute: 600, concurrent_jobs: 2, stored_bytes: 10_000_000_000 },
};

export const keyExample = {
  id: exampleIds.key,
  object: 'api_key',
  name: 'owner',
  project: 'default',
  scopes: ['admin'],
  limits: {
    requests_per_minute: 600,
    tokens_per_minute: null,
    concurrent_jobs: 2,
    stored_bytes: 10_000_000_000,
  },
  created_at: '2026-11-22T20:00:00.000Z',
  last_used_at: null,
};
