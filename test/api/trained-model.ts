import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JobSpec, type JobSpecInput, jobSpec, type ModelResource } from '@unfold/contracts';
import { createBackend, exportWeights, LanguageModel, train } from '@unfold/rnn';
import { newId } from '@unfold/store';
import { type Api, sampleText } from './support.ts';

export interface Trained {
  spec: JobSpec;
  checkpoint: Uint8Array;
  weights: Uint8Array;
  model: LanguageModel;
}

/** Trains a small model for a few steps, as a worker would, without any service. */
export const trainModel = async (change: Partial<JobSpecInput> = {}): Promise<Trained> => {
  const folder = await mkdtemp(join(tmpdir(), 'unfold-train-'));
  const data = join(folder, 'text.txt');
  await writeFile(data, sampleText);
  const spec = jobSpec.parse({
    file: newId('file'),
    model: { cell: 'gru', hidden_size: 12, num_layers: 1 },
    training: { max_steps: 12, batch_size: 4, sequence_length: 16, optimizer: { learning_rate: 0.02 } },
    ...change,
  });
  const backend = await createBackend('reference');
  let checkpoint: Uint8Array | null = null;
  try {
    for await (const event of train({ spec, data, backend, scratch: folder }))
      if (event.type === 'checkpoint') checkpoint = event.data;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (checkpoint === null) throw new Error('the run wrote no checkpoint');
  const weights = exportWeights(checkpoint);
  return { spec, checkpoint, weights, model: await LanguageModel.load(weights, backend) };
};

/** Puts a trained model into the store, as if a job had published it. */
export const publish = async (
  api: Api,
  { spec, weights, model }: Trained,
  name: string | null,
): Promise<ModelResource> => {
  const id = newId('model');
  const file = await api.store.artifacts.write(`models/${id}/weights.safetensors`, weights);
  const created = await api.store.models.create('default', {
    ...file,
    id,
    name,
    spec,
    parameters: model.parameters,
    vocabulary_size: model.vocabularySize,
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
