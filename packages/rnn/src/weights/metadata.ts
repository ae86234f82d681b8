import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import { type DataPlaces, placesOf, textPlaces } from '../data/records/places.ts';
import {
  encodingFromJson,
  encodingToJson,
  type RecordEncoding,
  type RecordEncodingData,
} from '../data/records/record-encoding.ts';
import { readsRecords } from '../data/records/record-reader.ts';
import { textEncoding } from '../model/network-shape.ts';
import { createTokenizer } from '../text/create-tokenizer.ts';
import type { SafetensorsHeader } from './safetensors.ts';

/** How a weights file tells how its data becomes numbers: `tokenizer` where that is all, `encoding` otherwise. */
export const encodingMetadata = (encoding: RecordEncoding): Record<string, string> => {
  const { input, output, context } = encoding;
  return input.kind === 'text' && output === null && context === null
    ? { tokenizer: JSON.stringify(input.tokenizer) }
    : { encoding: JSON.stringify(encodingToJson(encoding)) };
};

export const parseMetadata = (header: SafetensorsHeader, name: string): unknown => {
  const text = header.metadata.get(name);
  if (text === undefined)
    throw new UnfoldError('invalid_weights', `__metadata__ lacks "${name}": expected JSON text.`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UnfoldError('invalid_weights', `__metadata__ "${name}" is not JSON.`, { cause });
  }
};

/** @throws UnfoldError `invalid_weights` */
export const readEncoding = (header: SafetensorsHeader, spec: JobSpec): RecordEncoding => {
  if (header.metadata.has('encoding'))
    return encodingFromJson(parseMetadata(header, 'encoding') as RecordEncodingData, spec.text);
  const tokenizer = createTokenizer(parseMetadata(header, 'tokenizer'), { lowercase: spec.text.lowercase });
  return { ...textEncoding(tokenizer), endless: !readsRecords(spec) };
};

/** What a model's data was, without its vocabularies being built. @throws UnfoldError `invalid_weights` */
export const readPlaces = (header: SafetensorsHeader): DataPlaces =>
  header.metadata.has('encoding')
    ? placesOf(parseMetadata(header, 'encoding') as RecordEncodingData)
    : textPlaces;

/** Time steps that a file's running statistics have; 1 where it has none. */
export const normStepsOf = ({ tensors }: SafetensorsHeader): number => {
  for (const [name, { shape }] of tensors) if (name.startsWith('norm.running_mean_')) return shape[0]!;
  return 1;
};
