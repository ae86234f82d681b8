import { type JobSpec, UnfoldError } from '@unfold/contracts';
import type { Backend } from '@unfold/kernels';
import { type GeneratedToken, type GenerateOptions, generateTokens } from './generation/generate.ts';
import { type Score, scoreText } from './generation/score.ts';
import { createNetwork, type Network, releaseParameters, upload } from './model/network.ts';
import type { Tokenizer } from './text/tokenizer.ts';
import { type DescribedWeights, describeWeights, type WeightLimits } from './weights/inspect.ts';
import { readTensor } from './weights/safetensors.ts';

const uploadWeights = (network: Network, bytes: Uint8Array, { header, spec }: DescribedWeights): void => {
  network.table.forEach(({ name }, k) => {
    const values = readTensor(bytes, header, name, Float64Array);
    if (!values.every(Number.isFinite))
      throw new UnfoldError('invalid_weights', `Tensor "${name}" holds NaN or infinite numbers.`);
    upload(network.backend, network.parameters.all[k]!, values);
  });
  if (!spec.model.tie_weights || !header.tensors.has('decoder.weight')) return;
  const encoder = readTensor(bytes, header, 'encoder.weight', Float64Array);
  const decoder = readTensor(bytes, header, 'decoder.weight', Float64Array);
  if (!encoder.every((value, k) => value === decoder[k]))
    throw new UnfoldError(
      'invalid_weights',
      'The spec ties "decoder.weight" to "encoder.weight", but they differ.',
    );
};

/** A trained language model on a backend: writes text and tells how likely a text is. */
export class LanguageModel {
  readonly spec: JobSpec;
  readonly tokenizer: Tokenizer;
  /** Trained numbers; tied weights count once. */
  readonly parameters: number;
  readonly #network: Network;

  private constructor(described: DescribedWeights, network: Network) {
    this.spec = described.spec;
    this.tokenizer = described.encoding;
    this.parameters = described.parameters;
    this.#network = network;
  }

  /**
   * Loads an export, a checkpoint, or weights saved by PyTorch under our names with `spec` and `tokenizer` as metadata.
   * @throws UnfoldError `invalid_weights`
   */
  static async load(
    weights: Uint8Array,
    backend: Backend,
    limits: WeightLimits = {},
  ): Promise<LanguageModel> {
    const described = describeWeights(weights, { headerBytes: weights.length, ...limits });
    const network = createNetwork(backend, described.spec.model, described.vocabulary_size);
    try {
      uploadWeights(network, weights, described);
    } catch (error) {
      releaseParameters(backend, network.parameters);
      throw error;
    }
    return new LanguageModel(described, network);
  }

  get vocabularySize(): number {
    return this.#network.vocabularySize;
  }

  /** Writes text, token by token; see `GenerateOptions`. Any number of generations may run at once. */
  generate(options: GenerateOptions): AsyncGenerator<GeneratedToken, void> {
    return generateTokens(this.#network, this.tokenizer, options);
  }

  /** The log-probability of a text, token by token and in total. */
  score(text: string): Promise<Score> {
    return scoreText(this.#network, this.tokenizer, text);
  }

  countTokens(text: string): number {
    return this.tokenizer.encode(text).length;
  }

  /** Frees the backend's memory; the model must not be used again. */
  close(): void {
    releaseParameters(this.#network.backend, this.#network.parameters);
  }
}
