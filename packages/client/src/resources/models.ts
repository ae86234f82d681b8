import type {
  ActivationsRequestInput,
  ActivationsResource,
  DeletedResource,
  ModelImportRequestInput,
  ModelResource,
  PredictionInput,
  PredictRequestInput,
  PredictResource,
  ScoreRequestInput,
  ScoreResource,
} from '@unfold/contracts';
import { type CallOptions, type CreateOptions, type Http, newIdempotencyKey } from '../http.ts';
import { type List, listAt, part } from '../pages.ts';

export type ScoreOptions = Omit<ScoreRequestInput, 'input'> & CallOptions;
export type ActivationsOptions = Omit<ActivationsRequestInput, 'input'> & CallOptions;
export type PredictOptions = Omit<PredictRequestInput, 'input'> & CallOptions;

/** Models are named by their id, by the id of a checkpoint, or by their name, where the newest wins. */
export interface Models extends List<ModelResource> {
  get(model: string, options?: CallOptions): Promise<ModelResource>;
  delete(model: string, options?: CallOptions): Promise<DeletedResource>;
  /** Makes a model of an uploaded safetensors file. */
  import(request: ModelImportRequestInput, options?: CreateOptions): Promise<ModelResource>;
  /** The weights as safetensors, as the body of the answer. */
  weights(model: string, options?: CallOptions): Promise<Response>;
  /** Log-probabilities of texts, in nats. */
  score(model: string, input: ScoreRequestInput['input'], options?: ScoreOptions): Promise<ScoreResource>;
  /** What the hidden units are over a text: those that vary most, or those that are named. */
  activations(model: string, input: string, options?: ActivationsOptions): Promise<ActivationsResource>;
  /** What the model makes of one sequence or a list of them, in their order. */
  predict(model: string, input: PredictionInput, options?: PredictOptions): Promise<PredictResource>;
}

export const createModels = (http: Http): Models => {
  const path = '/v1/models';
  const at = (model: string): string => `${path}/${part(model)}`;
  /** Asks what changes nothing, so that it may be asked again. */
  const ask = <T>(model: string, what: string, input: unknown, options: CallOptions = {}): Promise<T> => {
    const { signal, ...more } = options;
    return http.call(`${at(model)}/${what}`, {
      method: 'POST',
      json: { input, ...more },
      repeatable: true,
      signal,
    });
  };
  return {
    ...listAt<ModelResource>(http, path),
    get: (model, options) => http.call(at(model), options),
    delete: (model, options) => http.call(at(model), { ...options, method: 'DELETE' }),
    import: (request, { idempotencyKey = newIdempotencyKey(), signal } = {}) =>
      http.call(path, { method: 'POST', json: request, idempotencyKey, signal }),
    weights: (model, options) => http.send(`${at(model)}/weights`, options),
    score: (model, input, options) => ask(model, 'score', input, options),
    activations: (model, input, options) => ask(model, 'activations', input, options),
    predict: (model, input, options) => ask(model, 'predict', input, options),
  };
};
