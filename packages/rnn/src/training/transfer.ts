import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import { placesOf } from '../data/records/places.ts';
import type { RecordEncoding } from '../data/records/record-encoding.ts';
import { initialValues } from '../model/initialize.ts';
import { type Network, upload } from '../model/network.ts';
import { selectParameters } from '../model/parameter-groups.ts';
import { elementCount } from '../model/parameter-table.ts';
import type { DescribedWeights } from '../weights/inspect.ts';
import { readTensor } from '../weights/safetensors.ts';
import { expectTransferable, placeOfParameter, sourceName } from './transfer-check.ts';

/** The weights file that a run starts from. */
export interface TransferSource {
  bytes: Uint8Array;
  described: DescribedWeights;
}

/** Copies what stands at each known token from `source` into `target`; everything beside the tokens is copied whole. */
const copyTokens = (
  target: { values: Float64Array; tokens: readonly string[] },
  source: { values: Float64Array; tokens: readonly string[] },
  [rows, columns]: [target: [number, number], source: [number, number]],
  axis: 0 | 1,
): void => {
  const places = new Map(source.tokens.map((token, k) => [token, k]));
  const from = (k: number): number | undefined => {
    const token = target.tokens[k];
    // Beyond the tokens: columns of other inputs.
    return token === undefined ? k - target.tokens.length + source.tokens.length : places.get(token);
  };
  const [targetRows, targetColumns] = rows;
  const [, sourceColumns] = columns;
  for (let r = 0; r < targetRows; r++) {
    const sourceRow = axis === 0 ? from(r) : r;
    if (sourceRow === undefined) continue;
    for (let c = 0; c < targetColumns; c++) {
      const sourceColumn = axis === 1 ? from(c) : c;
      if (sourceColumn !== undefined)
        target.values[r * targetColumns + c] = source.values[sourceRow * sourceColumns + sourceColumn]!;
    }
  }
};

const matrixOf = (shape: readonly number[]): [number, number] => [
  shape[0]!,
  shape.slice(1).reduce((product, size) => product * size, 1),
];

const namesOf = (part: RecordEncoding['input' | 'output' | 'context']): readonly string[] => {
  if (part === null || part.kind === 'vectors') return [];
  return part.kind === 'text' ? part.tokenizer.tokens : part.list.tokens;
};

const tokensOf = (encoding: RecordEncoding, place: 'input' | 'output' | 'context'): readonly string[] =>
  namesOf(place === 'output' ? (encoding.output ?? encoding.input) : encoding[place]);

/** A parameter's values as it starts: the source's, with fresh ones for tokens that the source did not know. */
const startingValues = (
  network: Network,
  seed: number,
  k: number,
  encoding: RecordEncoding,
  { bytes, described: source }: TransferSource,
): Float64Array => {
  const entry = network.table[k]!;
  const name = sourceName(entry.name, source.spec.model);
  const values = readTensor(bytes, source.header, name, Float64Array);
  if (!values.every(Number.isFinite))
    throw new UnfoldError('invalid_weights', `Tensor "${name}" holds NaN or infinite numbers.`);
  const counted = placeOfParameter(entry.name, network.model);
  const tokens = counted && tokensOf(encoding, counted.place);
  if (counted === null || tokens!.length === 0) {
    if (values.length !== elementCount(entry.shape))
      throw new UnfoldError('invalid_weights', `Tensor "${name}" does not have the shape [${entry.shape}].`);
    return values;
  }
  const started = initialValues(entry, k, network.model, seed);
  const sourceShape = source.header.tensors.get(name)!.shape;
  copyTokens(
    { values: started, tokens: tokens! },
    { values, tokens: tokensOf(source.encoding, counted.place) },
    [matrixOf(entry.shape), matrixOf(sourceShape)],
    counted.axis,
  );
  return started;
};

/**
 * Gives a freshly initialised network the parameters of a trained one, but for those that `start_from.reset` names. Tokens that both
 * know keep their rows (columns of a one-hot `weight_ih_l0`), whatever their places in the two vocabularies.
 * @throws UnfoldError `invalid_weights`, `impossible_with_data`
 */
export const transferWeights = (
  network: Network,
  spec: JobSpec,
  encoding: RecordEncoding,
  source: TransferSource,
): void => {
  const { described } = source;
  expectTransferable(
    { spec, places: placesOf(encoding) },
    { spec: described.spec, places: placesOf(described.encoding) },
  );
  const reset = selectParameters(network.table, network.model, spec.start_from!.reset);
  network.table.forEach(({ name }, k) => {
    if (reset.has(name)) return;
    upload(
      network.backend,
      network.parameters.all[k]!,
      startingValues(network, spec.seed, k, encoding, source),
    );
  });
};
