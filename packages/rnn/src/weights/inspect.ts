import type { JobSpec } from '@unfold/contracts';
import { deviceClasses, UnfoldError } from '@unfold/contracts/values';
import { completeSpec } from '../complete-spec.ts';
import type { RecordEncoding } from '../data/records/record-encoding.ts';
import { type NetworkShape, shapeOf } from '../model/network-shape.ts';
import { bufferTable, countParameters, parameterTable } from '../model/parameter-table.ts';
import type { TokenizerData } from '../text/tokenizer.ts';
import { normStepsOf, parseMetadata, readEncoding } from './metadata.ts';
import { readHeader, type SafetensorsHeader } from './safetensors.ts';

/** What is accepted of a weights file. */
export interface WeightLimits {
  /** Largest header; default 1,000,000 bytes. */
  headerBytes?: number;
  /** Size of the file, when only its beginning is given. */
  fileBytes?: number;
  /** Most parameters. */
  parameters?: number;
}

export interface InspectedWeights {
  spec: JobSpec;
  /** Of a model that reads text; else null. */
  tokenizer: TokenizerData | null;
  parameters: number;
  vocabulary_size: number;
}

/** A weights file of ours: header, model and tokenizer, found to agree with each other. */
export interface DescribedWeights extends InspectedWeights {
  header: SafetensorsHeader;
  encoding: RecordEncoding;
  shape: NetworkShape;
}

/** Tensors that a checkpoint holds beside the parameters. */
const isTrainingTensor = (name: string): boolean => /^(optimizer|carried|rollback)\./.test(name);

/** Files of earlier versions may name any device: that asked for nothing, and does not now. */
const withKnownDevice = <S extends { device?: unknown }>(spec: S): S =>
  deviceClasses.some((known) => known === spec.device) ? spec : { ...spec, device: null };

const parseSpec = (raw: unknown): JobSpec => {
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw))
    throw new UnfoldError('invalid_weights', '__metadata__ "spec": expected an object.');
  try {
    return completeSpec(withKnownDevice(raw));
  } catch (cause) {
    const { message } = cause as Error;
    throw new UnfoldError('invalid_weights', `__metadata__ "spec": ${message}`, { cause });
  }
};

/** Every parameter must be there in its shape, and nothing else. */
const checkTensors = (header: SafetensorsHeader, { model }: JobSpec, network: NetworkShape): void => {
  const expected = new Map(
    [...parameterTable(model, network), ...bufferTable(model, network)].map(({ name, shape }) => [
      name,
      shape,
    ]),
  );
  for (const [name, shape] of expected) {
    const found = header.tensors.get(name)?.shape;
    if (found === undefined) throw new UnfoldError('invalid_weights', `Tensor "${name}" is missing.`);
    if (found.join() !== shape.join())
      throw new UnfoldError(
        'invalid_weights',
        `Tensor "${name}" has shape [${found}], expected [${shape}] by the spec and the tokenizer.`,
      );
  }
  // PyTorch's state_dict lists a tied weight under both names.
  if (model.tie_weights) expected.set('decoder.weight', expected.get('encoder.weight')!);
  for (const [name, { shape }] of header.tensors) {
    if (isTrainingTensor(name)) continue;
    if (expected.get(name)?.join() !== shape.join())
      throw new UnfoldError('invalid_weights', `Tensor "${name}" [${shape}] does not belong to this model.`);
  }
};

export const describeWeights = (bytes: Uint8Array, limits: WeightLimits = {}): DescribedWeights => {
  const header = readHeader(bytes, limits);
  const spec = parseSpec(parseMetadata(header, 'spec'));
  const encoding = readEncoding(header, spec);
  const tokenizer = encoding.input.kind === 'text' ? encoding.input.tokenizer : null;
  if (tokenizer) {
    if (tokenizer.level !== spec.text.level)
      throw new UnfoldError(
        'invalid_weights',
        `The tokenizer's level is "${tokenizer.level}", but the spec's text.level is "${spec.text.level}".`,
      );
    const drawable = tokenizer.tokens.length - (tokenizer.unknown === null ? 0 : 1);
    if (drawable < 1)
      throw new UnfoldError('invalid_weights', 'The tokenizer has no token that could be written.');
  }
  const shape = shapeOf(spec, encoding, normStepsOf(header));
  const parameters = countParameters(spec.model, shape);
  if (limits.parameters !== undefined && parameters > limits.parameters)
    throw new UnfoldError(
      'limit_exceeded',
      `Expected a model of at most ${limits.parameters} parameters, but it has ${parameters}.`,
      { param: 'file' },
    );
  checkTensors(header, spec, shape);
  return {
    header,
    encoding,
    shape,
    spec,
    tokenizer: tokenizer?.toJSON() ?? null,
    parameters,
    vocabulary_size: shape.output.size,
  };
};

/**
 * Checks a weights file before anything of its size is allocated: header, spec, tokenizer, and that every tensor is there in the shape
 * that they ask for.
 * @param bytes the file, or its beginning up to the end of the header (then say `fileBytes`)
 * @throws UnfoldError `invalid_weights`, `limit_exceeded`
 */
export const inspectWeights = (bytes: Uint8Array, limits: WeightLimits = {}): InspectedWeights => {
  const { spec, tokenizer, parameters, vocabulary_size } = describeWeights(bytes, limits);
  return { spec, tokenizer, parameters, vocabulary_size };
};
