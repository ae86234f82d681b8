import type { JobSpec, ModelOptions } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import { type DataPlaces, describePlace, type Place } from '../data/records/places.ts';
import { type NetworkShape, textShape } from '../model/network-shape.ts';
import { selectParameters } from '../model/parameter-groups.ts';
import { parameterTable } from '../model/parameter-table.ts';

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
export const sourceName = (name: string, source: ModelOptions): string =>
  name === 'decoder.weight' && source.tie_weights ? 'encoder.weight' : name;

/** The place of the data whose tokens or numbers one axis of a parameter counts; null: none of them. */
export const placeOfParameter = (
  name: string,
  model: ModelOptions,
): { place: keyof DataPlaces; axis: 0 | 1 } | null => {
  if (name === 'encoder.weight') return { place: 'input', axis: 0 };
  if (/^rnn\.weight_ih_l0(_reverse)?$/.test(name))
    return model.embedding_size === null ? { place: 'input', axis: 1 } : null;
  if (name.startsWith('decoder.')) return { place: 'output', axis: 0 };
  if (name === 'feedback.weight_l0') return { place: 'output', axis: 1 };
  return /^context\.(?:weight$|[hc]_weight_)/.test(name) ? { place: 'context', axis: 1 } : null;
};

const at = (places: DataPlaces, place: keyof DataPlaces): Place | null =>
  places[place] ?? (place === 'output' ? places.input : null);

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

/** What a job and the model that it starts from are compared by. */
export interface TransferSide {
  spec: JobSpec;
  places: DataPlaces;
}

/**
 * Whether a job can start from a model: every parameter that is not reset must be there in its shape, the number of tokens left aside.
 * @throws UnfoldError `impossible_with_data` naming the fields that differ
 */
export const expectTransferable = (job: TransferSide, base: TransferSide): void => {
  const { spec } = job;
  const source = base.spec;
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
  for (const { name } of kept) {
    const found = placeOfParameter(name, spec.model);
    if (found === null) continue;
    const [own, theirs] = [job, base].map(({ places }) => describePlace(at(places, found.place)));
    if (own !== theirs)
      throw unfit(
        'start_from.model',
        `start_from.model does not fit: its ${found.place} is ${theirs}, but that of this job's data is ${own}. Expected the same, or the part that differs in start_from.reset (parameter "${name}").`,
      );
  }
  const sharesText = kept.some(({ name }) => {
    const place = placeOfParameter(name, spec.model)?.place;
    return place === 'input' || place === 'output';
  });
  if (sharesText && spec.text.level !== source.text.level)
    throw unfit(
      'text.level',
      `start_from.model reads text.level "${source.text.level}", but this job "${spec.text.level}": their tokens have nothing in common. Expected the same level.`,
    );
};
