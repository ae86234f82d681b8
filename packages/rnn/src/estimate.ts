import type { EstimateResource, JobSpec } from '@unfold/contracts';
import { planTraining } from './data/batch-plan.ts';
import type { VocabularyCount } from './data/count-vocabulary.ts';
import type { DataSummary, PlaceSummary } from './data/records/check-data.ts';
import { placesOf, textPlaces } from './data/records/places.ts';
import { fewestRecords } from './data/records/record-batches.ts';
import { createSplit } from './data/records/record-split.ts';
import { outputSteps } from './model/head.ts';
import { type NetworkShape, type Port, shapeOfPlaces, textShape } from './model/network-shape.ts';
import {
  bufferTable,
  countParameters,
  elementCount,
  gateCount,
  outputWidth,
} from './model/parameter-table.ts';
import { defaultMaxWords } from './text/vocabulary-builder.ts';
import { expectDataFit } from './training/data-fit.ts';
import { closesLoop, mixesTokens } from './training/teacher-forcing.ts';

export interface TextSize {
  /** Unicode code points. */
  characters: number;
  bytes: number;
  /** What was counted of the file; absent: nothing was. */
  counted?: VocabularyCount | null;
}

/** A running text has about this many characters to a word, spaces included. */
const charactersPerWord = 5;
const asciiCharacters = 128;

const tokenCount = ({ text, training }: JobSpec, size: TextSize): number => {
  if (text.level !== 'word') return text.level === 'byte' ? size.bytes : size.characters;
  // A rule of thumb must not refuse what might be just long enough.
  const atLeast = Math.min(size.characters, 2 * (training.sequence_length + 1));
  return Math.max(atLeast, Math.ceil(size.characters / charactersPerWord));
};

/** Rows of a text's vocabulary: exact for bytes and if they were counted, an upper bound otherwise; `<unk>` and `<s>` included. */
const vocabularyBound = ({ text }: JobSpec, { characters, bytes, counted }: TextSize): number => {
  if (counted) return counted.size;
  const special = text.sequences === 'whole' ? 1 : 2;
  const most = (limit: number): number => Math.max(1, limit - special);
  switch (text.level) {
    case 'byte':
      return 255 + special;
    case 'char': {
      // Every character beyond ASCII takes at least one byte more than its one.
      const distinct = Math.min(characters, asciiCharacters + Math.max(0, bytes - characters));
      return special + Math.min(distinct, most(text.max_vocab ?? Number.POSITIVE_INFINITY));
    }
    case 'word':
      return special + Math.min(characters, most(text.max_vocab ?? defaultMaxWords));
  }
};

/** @param spare rows beside those of the names, `<unk>` */
const portOf = (place: PlaceSummary, spec: JobSpec, size: TextSize, spare: number): Port => {
  switch (place.kind) {
    case 'text':
      return { kind: 'tokens', size: vocabularyBound(spec, size) };
    case 'names':
      return { kind: 'tokens', size: place.size + spare };
    case 'vectors':
      return { kind: 'vectors', size: place.width };
  }
};

/** Names of an input are an open list, of the training part alone, of which only the most frequent may be kept. */
const inputPort = (place: PlaceSummary, spec: JobSpec, size: TextSize): Port => {
  const port = portOf(place, spec, size, 1);
  if (place.kind !== 'names') return port;
  return { ...port, size: size.counted?.size ?? Math.min(port.size, spec.text.max_vocab ?? port.size) };
};

/** Whether the network's shape is known, rather than bounded. */
const isExact = (
  { text, training, validation_file }: JobSpec,
  size: TextSize,
  data: DataSummary | null,
): boolean => {
  if (size.counted) return true;
  switch (data?.input.kind) {
    case 'vectors':
      return true;
    case 'names':
      return validation_file !== null || training.validation_fraction === 0;
    default:
      return text.level === 'byte';
  }
};

/** The network's shape, as far as it is known. */
const shapeFor = (
  spec: JobSpec,
  size: TextSize,
  data: DataSummary | null,
  normSteps: number,
): NetworkShape => {
  if (data === null) return textShape(vocabularyBound(spec, size), normSteps);
  const places = {
    input: inputPort(data.input, spec, size),
    output: data.output && portOf(data.output, spec, size, 0),
    context: data.context && portOf(data.context, spec, size, 0),
    boundary: null,
  };
  return shapeOfPlaces(spec, places, normSteps);
};

/** Numbers that an optimizer keeps for each parameter. */
const slotsOf = ({ training: { optimizer } }: JobSpec): number => {
  switch (optimizer.type) {
    case 'adam':
    case 'adamw':
      return 2;
    case 'rmsprop':
    case 'adagrad':
      return 1;
    case 'sgd':
      return optimizer.momentum > 0 ? 1 : 0;
  }
};

/** What a training step reads. */
export interface BatchSize {
  lanes: number;
  /** Time steps that are kept for the gradients. */
  steps: number;
}
interface Batches extends BatchSize {
  perEpoch: number;
  /** Time steps that an epoch trains on. */
  tokens: number;
  /** Sequences of the smallest batch; null for a text, whose tokens are but guessed. */
  fewest: number | null;
}

const planBatches = (spec: JobSpec, size: TextSize, data: DataSummary | null): Batches => {
  const { batch_size, sequence_length, bptt, validation_fraction } = spec.training;
  const share = spec.validation_file === null ? 1 - validation_fraction : 1;
  if (data === null || data.endless) {
    const tokens = size.counted?.tokens ?? Math.floor((data?.steps ?? tokenCount(spec, size)) * share);
    const { lanes, windows } = planTraining(tokens, batch_size, sequence_length);
    return {
      lanes,
      steps: bptt.window ?? sequence_length,
      perEpoch: windows,
      tokens: lanes * windows * sequence_length,
      fewest: data === null ? null : lanes,
    };
  }
  const held =
    spec.validation_file === null ? createSplit(data.records, validation_fraction, spec.seed).held : 0;
  const records = data.records - held;
  return {
    lanes: Math.min(batch_size, records),
    // A sequence's beginning or end is one step more.
    steps: Math.min(bptt.window ?? Number.POSITIVE_INFINITY, data.longest + 1),
    perEpoch: Math.ceil(records / batch_size),
    tokens: Math.round((data.steps * records) / data.records),
    fewest: fewestRecords(records, batch_size),
  };
};

/** Bytes of activations that a step of training keeps: they grow with the time steps that gradients flow through. */
export const activationBytes = (spec: JobSpec, batch: BatchSize, shape: NetworkShape): number =>
  4 * activationCount(spec, batch, shape);

/**
 * float32 numbers that a training step keeps: its vectors and targets; per layer and direction output, gates and cell state; what is injected into
 * layer 0; then outputs and gradients. A loop that is closed keeps every step's outputs, what they are fed as, and what is fed where that is mixed
 * with known numbers, in the places of feedback and inputs.
 */
const activationCount = (
  { model, training }: JobSpec,
  { lanes, steps }: BatchSize,
  shape: NetworkShape,
): number => {
  const { input, output, feedback, context } = shape;
  const perLayer = 1 + (model.dropout > 0 ? 1 : 0) + gateCount[model.cell] + (model.cell === 'lstm' ? 2 : 1);
  const injects = feedback !== null || (context !== null && model.context?.inject !== 'initial_state');
  const perToken =
    outputWidth(model) * (model.num_layers * perLayer + 1) +
    2 * (input.kind === 'tokens' ? (model.embedding_size ?? 0) : 0) +
    (injects ? gateCount[model.cell] * model.hidden_size : 0) +
    [input, output, feedback].reduce((sum, port) => sum + (port?.kind === 'vectors' ? port.size : 0), 0);
  if (closesLoop(training.teacher_forcing, shape)) {
    const places = (feedback ? 1 : 0) + (shape.readsOutputs ? 1 : 0);
    const mixed = shape.loss === 'softmax' ? 0 : 2 + places * output.size;
    const ends = model.length === 'eos' ? 0 : outputWidth(model);
    return steps * lanes * (perToken + 2 * output.size + mixed + ends);
  }
  const outputs = shape.outputAt === 'end' ? lanes : outputSteps(steps, lanes, output.size) * lanes;
  return steps * lanes * perToken + outputs * output.size;
};

/** Bytes of a training: parameters with their gradients, what the optimizer keeps and statistics; and the activations of a step. */
export const trainingBytes = (
  spec: JobSpec,
  batch: BatchSize,
  shape: NetworkShape,
): { parameters: number; activations: number } => {
  const { model } = spec;
  const buffers = bufferTable(model, shape).reduce((sum, entry) => sum + elementCount(entry.shape), 0);
  const oneHots = mixesTokens(spec, shape) ? shape.input.size ** 2 : 0;
  const kept = (2 + slotsOf(spec)) * countParameters(model, shape);
  return { parameters: 4 * (kept + buffers + oneHots), activations: activationBytes(spec, batch, shape) };
};

/** What a job would need, whatever it is trained on. */
export type TrainingNeeds = Omit<EstimateResource, 'seconds' | 'measured_on' | 'blocked'>;

/**
 * What a job would need, by arithmetic alone. Exact where the vocabulary is known (bytes, labels, numbers, and whatever was counted);
 * otherwise words are counted by a rule of thumb.
 * @param data what `checkData` found; null for an endless text
 * @throws UnfoldError `text_too_short`; `impossible_with_data` naming an option that the data has no meaning for
 */
export const estimate = (spec: JobSpec, size: TextSize, data: DataSummary | null = null): TrainingNeeds => {
  const { model, training } = spec;
  const plan = planBatches(spec, size, data);
  expectDataFit(spec, data === null ? textPlaces : placesOf(data), plan.fewest);
  const endless = data === null || data.endless;
  const shape = shapeFor(spec, size, data, endless ? training.sequence_length : data.longest + 1);
  const parameters = countParameters(model, shape);
  const buffers = bufferTable(model, shape).reduce((sum, entry) => sum + elementCount(entry.shape), 0);
  const slots = slotsOf(spec);
  const bytes = trainingBytes(spec, plan, shape);
  const carries = endless && training.bptt.stateful;
  const perLane = outputWidth(model) * model.num_layers * (model.cell === 'lstm' ? 2 : 1);
  // Beside the tensors a checkpoint holds its header: names, spec and vocabulary.
  const names = [shape.input, shape.output, shape.context].map((port) =>
    port?.kind === 'tokens' ? port.size : 0,
  );
  const headerBytes = 8192 + 12 * Math.max(...names);
  const totalSteps = Math.min(
    training.max_steps ?? Number.POSITIVE_INFINITY,
    training.epochs * plan.perEpoch,
  );
  return {
    object: 'training.estimate',
    parameters,
    memory_bytes: bytes.parameters + bytes.activations,
    checkpoint_bytes:
      4 * ((1 + slots) * parameters + buffers + (carries ? plan.lanes * perLane : 0)) + headerBytes,
    steps_per_epoch: plan.perEpoch,
    total_steps: totalSteps,
    tokens: Math.round((plan.tokens * totalSteps) / plan.perEpoch),
    vocabulary_size: shape.output.size,
    exact: isExact(spec, size, data),
  };
};
