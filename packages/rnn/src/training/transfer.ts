import { type JobSpec, type ModelOptions, UnfoldError } from '@unfold/contracts';
import type { RecordEncoding } from '../data/records/record-encoding.ts';
import { initialValues } from '../model/initialize.ts';
import { type Network, upload } from '../model/network.ts';
import { type NetworkShape, textShape } from '../model/network-shape.ts';
import { selectParameters } from '../model/parameter-groups.ts';
import { elementCount, parameterTable } from '../model/parameter-table.ts';
import { type DescribedWeights, describeWeights } from '../weights/inspect.ts';
import { readTensor } from '../weights/safetensors.ts';

type StartFrom = NonNullable<JobSpec['start_from']>;

/** Fields of the model that decide which parameters there are, and in which shapes. */
const structure = [
  'cell',
  'recurrence',
  'hidden_size',
  'num_layers',
  'embedding_size',
  'bidirectional',
  'peephole',
  'norm',
  'initial_state',
  'context',
  'length',
  'max_length',
] as const satisfies (keyof ModelOptions)[];

const unfit = (param: string, message: string): UnfoldError =>
  new UnfoldError('impossible_with_data', message, { param });

/** The name under which the source holds a parameter: an embedding that the source's head shares is its decoder too. */
const sourceName = (name: string, source: ModelOptions): string =>
  name === 'decoder.weight' && source.tie_weights ? 'encoder.weight' : name;

/** Maps of the context, which have a column for each of its labels. */
const contextMap = /^context\.(?:weight$|[hc]_weight_)/;

/** Which axis of a parameter counts tokens or names, or null. */
const tokenAxis = (name: string, model: ModelOptions): 0 | 1 | null => {
  if (name === 'encoder.weight' || name === 'decoder.weight' || name === 'decoder.bias') return 0;
  if (name === 'feedback.weight_l0' || contextMap.test(name)) return 1;
  return name === 'rnn.weight_ih_l0' && model.embedding_size === null ? 1 : null;
};

const expectKnownNames = (
  names: readonly string[],
  groups: readonly string[],
  list: 'freeze' | 'reset',
): void => {
  for (const group of groups)
    if (/^(rnn|encoder|decoder)\./.test(group) && !names.includes(group))
      throw unfit(
        `start_from.${list}`,
        `start_from.${list} names ${JSON.stringify(group)}, but the network has no such parameter; it has ${names.join(', ')}.`,
      );
};

/** A network's shape as far as the spec alone tells it: places that depend on the data have one token, or one number. */
const outline = ({ task, model }: JobSpec): NetworkShape => {
  const shape = textShape(1);
  const port = task === 'forecasting' ? ({ kind: 'vectors', size: 1 } as const) : shape.input;
  const writesText = task === 'language_model' || task === 'conditional_generation';
  return {
    ...shape,
    input: port,
    output: port,
    feedback: model.recurrence === 'hidden' || writesText ? null : port,
    context: model.context ? port : null,
  };
};

/**
 * Whether a job can start from a model, told from their specs alone: every parameter that is not reset must be there in its shape, the
 * number of tokens left aside.
 * @throws UnfoldError `impossible_with_data` naming the fields that differ
 */
export const expectTransferable = (spec: JobSpec, source: JobSpec): void => {
  const start = spec.start_from as StartFrom;
  // Any number of tokens does, as long as it is the same for both.
  const table = parameterTable(spec.model, outline(spec));
  const names = table.map(({ name }) => name);
  expectKnownNames(names, start.freeze, 'freeze');
  expectKnownNames(names, start.reset, 'reset');
  const frozen = selectParameters(table, spec.model, start.freeze);
  if (frozen.size === table.length)
    throw unfit('start_from.freeze', 'start_from.freeze names every parameter: nothing is left to train.');
  const reset = selectParameters(table, spec.model, start.reset);
  const kept = table.filter(({ name }) => !reset.has(name));
  const shapes = new Map(
    parameterTable(source.model, outline(source)).map(({ name, shape }) => [name, shape]),
  );
  for (const { name, shape } of kept) {
    const found = shapes.get(sourceName(name, source.model));
    if (found?.join() === shape.join()) continue;
    const fields = structure.filter(
      (field) => JSON.stringify(spec.model[field]) !== JSON.stringify(source.model[field]),
    );
    const differences = fields.map(
      (field) =>
        `model.${field} is ${JSON.stringify(spec.model[field])}, but ${JSON.stringify(source.model[field])} there`,
    );
    throw unfit(
      `model.${fields[0] ?? 'cell'}`,
      `start_from.model does not fit: ${differences.join('; ')}. Expected the same, or the part that differs in start_from.reset (parameter "${name}").`,
    );
  }
  const sharesTokens = kept.some(
    ({ name }) => tokenAxis(name, spec.model) !== null && !contextMap.test(name),
  );
  if (sharesTokens && spec.text.level !== source.text.level)
    throw unfit(
      'text.level',
      `start_from.model reads text.level "${source.text.level}", but this job "${spec.text.level}": their tokens have nothing in common. Expected the same level.`,
    );
};

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

/** The names that a parameter counts: those of the output for the head and what is fed back, the context's, else those of the input. */
const tokensOf = ({ input, output, context }: RecordEncoding, name: string): readonly string[] => {
  if (contextMap.test(name)) return namesOf(context);
  return namesOf(/^(decoder|feedback)\./.test(name) ? (output ?? input) : input);
};

/** A parameter's values as it starts: the source's, with fresh ones for tokens that the source did not know. */
const startingValues = (
  network: Network,
  seed: number,
  k: number,
  encoding: RecordEncoding,
  weights: Uint8Array,
  source: DescribedWeights,
): Float64Array => {
  const entry = network.table[k]!;
  const name = sourceName(entry.name, source.spec.model);
  const values = readTensor(weights, source.header, name, Float64Array);
  if (!values.every(Number.isFinite))
    throw new UnfoldError('invalid_weights', `Tensor "${name}" holds NaN or infinite numbers.`);
  const axis = tokenAxis(entry.name, network.model);
  if (axis === null || tokensOf(encoding, entry.name).length === 0) {
    if (values.length !== elementCount(entry.shape))
      throw new UnfoldError('invalid_weights', `Tensor "${name}" does not have the shape [${entry.shape}].`);
    return values;
  }
  const started = initialValues(entry, k, network.model, seed);
  const sourceShape = source.header.tensors.get(name)!.shape;
  copyTokens(
    { values: started, tokens: tokensOf(encoding, entry.name) },
    { values, tokens: tokensOf(source.encoding, entry.name) },
    [matrixOf(entry.shape), matrixOf(sourceShape)],
    axis,
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
  weights: Uint8Array,
): void => {
  const source = describeWeights(weights, { headerBytes: weights.length });
  expectTransferable(spec, source.spec);
  const reset = selectParameters(network.table, network.model, spec.start_from!.reset);
  network.table.forEach(({ name }, k) => {
    if (reset.has(name)) return;
    upload(
      network.backend,
      network.parameters.all[k]!,
      startingValues(network, spec.seed, k, encoding, weights, source),
    );
  });
};
