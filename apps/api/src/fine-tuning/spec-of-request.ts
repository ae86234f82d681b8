import { randomInt } from 'node:crypto';
import {
  type FineTuningHyperparameters,
  type FineTuningRequest,
  type JobSpec,
  jobSpec,
  type ModelResource,
  parseRequest,
  UnfoldError,
} from '@unfold/contracts';
import type { ApiContext } from '../context.ts';
import { unknown } from '../http/parameters.ts';
import { completeSource } from '../inference/check-start.ts';
import { admitJob } from '../jobs/admission.ts';
import { type ChosenHyperparameters, chooseHyperparameters } from './hyperparameters.ts';

/** Fields of a job's spec by their names in OpenAI's API. */
const namesOfFields: Record<string, string> = {
  file: 'training_file',
  name: 'suffix',
  'start_from.model': 'model',
  'training.epochs': 'hyperparameters.n_epochs',
  'training.batch_size': 'hyperparameters.batch_size',
  'training.optimizer.learning_rate': 'hyperparameters.learning_rate_multiplier',
};

/** An error about a field of the spec becomes one about the field of the request that it was made from. */
export const inRequestsNames = (error: unknown): unknown => {
  if (!(error instanceof UnfoldError) || error.param === null) return error;
  const param = namesOfFields[error.param];
  if (param === undefined) return error;
  const begins =
    error.message.startsWith(error.param) && /^[: ]/.test(error.message.slice(error.param.length));
  const message = begins ? `${param}${error.message.slice(error.param.length)}` : error.message;
  return new UnfoldError(error.code, message, { param, cause: error });
};

const findModel = async ({ store }: ApiContext, project: string, reference: string) => {
  try {
    return await store.models.get(project, reference);
  } catch (error) {
    if (error instanceof UnfoldError && error.code === 'not_found')
      throw unknown('model', reference, 'model');
    throw error;
  }
};

const sourceOf = ({ id, spec }: ModelResource): JobSpec => {
  if (spec !== null) return completeSource(spec);
  throw new UnfoldError('impossible_with_data', `model: ${id} does not say what network it is.`, {
    param: 'model',
  });
};

/** The network, the task and the manner of the starting model's training; how long, and what is watched, are new. */
const fineTune = (
  model: ModelResource,
  source: JobSpec,
  request: FineTuningRequest,
  seed: number,
  { n_epochs, batch_size, learning_rate_multiplier }: ChosenHyperparameters,
): JobSpec => {
  const { training } = source;
  const learning_rate = training.optimizer.learning_rate * learning_rate_multiplier;
  return parseRequest(jobSpec, {
    name: request.suffix,
    file: request.training_file,
    validation_file: request.validation_file,
    task: source.task,
    text: source.text,
    series: source.series,
    model: source.model,
    training: {
      epochs: n_epochs,
      batch_size,
      optimizer: { ...training.optimizer, learning_rate },
      sequence_length: training.sequence_length,
      bucketing: training.bucketing,
      precision: training.precision,
      loss: training.loss,
      bptt: training.bptt,
      clip: training.clip,
      teacher_forcing: training.teacher_forcing,
      validation_fraction: training.validation_fraction,
    },
    start_from: { model: model.id },
    seed,
    metadata: request.metadata ?? {},
  });
};

const allAuto: FineTuningHyperparameters = {
  n_epochs: 'auto',
  batch_size: 'auto',
  learning_rate_multiplier: 'auto',
};

/**
 * The training job that a fine-tuning request asks for: the starting model's network on new data.
 * @throws UnfoldError `not_found`, `impossible_with_data`, and those of `admitJob`, naming the request's fields
 */
export const specOfRequest = async (
  context: ApiContext,
  project: string,
  request: FineTuningRequest,
): Promise<JobSpec> => {
  const model = await findModel(context, project, request.model);
  const source = sourceOf(model);
  const seed = request.seed ?? randomInt(2 ** 32);
  const asked = request.method?.supervised?.hyperparameters ?? request.hyperparameters ?? allAuto;
  // In batches of one, an epoch has as many steps as there are sequences.
  const one = { n_epochs: 1, batch_size: 1, learning_rate_multiplier: 1 };
  const { estimate } = await admitJob(context, project, fineTune(model, source, request, seed, one));
  const chosen = chooseHyperparameters(asked, estimate.steps_per_epoch, source.training);
  return fineTune(model, source, request, seed, chosen);
};
