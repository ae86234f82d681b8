import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JobSpec, type JobSpecInput, jobSpec, type ModelResource } from '@unfold/contracts';
import { createBackend, exportWeights, inspectWeights, LanguageModel, train } from '@unfold/rnn';
import { newId } from '@unfold/store';
import { type Api, sampleText } from './support.ts';

export interface TrainedWeights {
  spec: JobSpec;
  checkpoint: Uint8Array;
  weights: Uint8Array;
}

export interface Trained extends TrainedWeights {
  model: LanguageModel;
}

/** Trains a small network of any task for a few steps, as a worker would, without any service. */
export const trainWeights = async (
  data: string,
  change: Partial<JobSpecInput> = {},
): Promise<TrainedWeights> => {
  const folder = await mkdtemp(join(tmpdir(), 'unfold-train-'));
  const path = join(folder, 'data.txt');
  await writeFile(path, data);
  const spec = jobSpec.parse({
    file: newId('file'),
    model: { cell: 'gru', hidden_size: 12, num_layers: 1 },
    training: { max_steps: 12, batch_size: 4, sequence_length: 16, optimizer: { learning_rate: 0.02 } },
    ...change,
  });
  const backend = await createBackend('reference');
  let checkpoint: Uint8Array | null = null;
  try {
    for await (const event of train({ spec, data: path, backend, scratch: folder }))
      if (event.type === 'checkpoint') checkpoint = event.data;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (checkpoint === null) throw new Error('the run wrote no checkpoint');
  return { spec, checkpoint, weights: exportWeights(checkpoint) };
};

/** The same for a model that writes text, loaded. */
export const trainModel = async (
  change: Partial<JobSpecInput> = {},
  data: string = sampleText,
): Promise<Trained> => {
  const trained = await trainWeights(data, change);
  return { ...trained, model: await LanguageModel.load(trained.weights, await createBackend('reference')) };
};

/** Puts a trained model into the store, as if a job had published it. */
export const publish = async (
  api: Api,
  { spec, weights }: TrainedWeights,
  name: string | null,
): Promise<ModelResource> => {
  const id = newId('model');
  const file = await api.store.artifacts.write(`models/${id}/weights.safetensors`, weights);
  const { parameters, vocabulary_size } = inspectWeights(weights);
  const created = await api.store.models.create('default', {
    ...file,
    id,
    name,
    spec,
    parameters,
    vocabulary_size,
  });
  return created.resource;
};

/** What the model writes when it is called without any service. */
export const writeDirectly = async (
  model: LanguageModel,
  options: Parameters<LanguageModel['generate']>[0],
): Promise<string> => {
  let text = '';
  for await (const token of model.generate(options)) text += token.text;
  return text;
};
