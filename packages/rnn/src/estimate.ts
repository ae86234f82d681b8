import type { EstimateResource, JobSpec } from '@unfold/contracts';
import { planTraining } from './data/batch-plan.ts';
import type { DataSummary } from './data/records/check-data.ts';
import { outputSteps } from './model/head.ts';
import { textShape } from './model/network-shape.ts';
import { countParameters, gateCount } from './model/parameter-table.ts';
import { defaultMaxWords } from './text/vocabulary-builder.ts';

export interface TextSize {
  /** Unicode code points. */
  characters: number;
  bytes: number;
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

/** Exact for bytes, an upper bound otherwise; `<unk>` included. */
const vocabularyBound = ({ text }: JobSpec, { characters, bytes }: TextSize): number => {
  switch (text.level) {
    case 'byte':
      return 256;
    case 'char': {
      // Every character beyond ASCII takes at least one byte more than its one.
      const distinct = Math.min(characters, asciiCharacters + Math.max(0, bytes - characters));
      return 1 + Math.min(distinct, (text.max_vocab ?? Number.POSITIVE_INFINITY) - 1);
    }
    case 'word':
      return Math.min(text.max_vocab ?? defaultMaxWords, characters + 1);
  }
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
interface BatchSize {
  lanes: number;
  /** Time steps that are kept for the gradients. */
  steps: number;
}
interface Batches extends BatchSize {
  perEpoch: number;
}

const planBatches = (spec: JobSpec, size: TextSize, data: DataSummary | null): Batches => {
  const { batch_size, sequence_length, bptt, validation_fraction } = spec.training;
  const share = spec.validation_file === null ? 1 - validation_fraction : 1;
  if (data === null || data.endless) {
    const tokens = data?.steps ?? tokenCount(spec, size);
    const { lanes, windows } = planTraining(Math.floor(tokens * share), batch_size, sequence_length);
    return { lanes, steps: bptt.window ?? sequence_length, perEpoch: windows };
  }
  const records = Math.max(1, Math.round(data.records * share));
  return {
    lanes: Math.min(batch_size, records),
    // A sequence's beginning or end is one step more.
    steps: Math.min(bptt.window ?? Number.POSITIVE_INFINITY, data.longest + 1),
    perEpoch: Math.ceil(records / batch_size),
  };
};

/** Bytes of activations that a step of training keeps: they grow with the time steps that gradients flow through. */
export const activationBytes = (spec: JobSpec, batch: BatchSize, vocabularySize: number): number =>
  4 * activationCount(spec, batch, vocabularySize);

/** float32 numbers that a training step keeps: per layer output, gates and cell state, then logits and gradients. */
const activationCount = ({ model }: JobSpec, { lanes, steps }: BatchSize, vocabularySize: number): number => {
  const perLayer = 1 + (model.dropout > 0 ? 1 : 0) + gateCount[model.cell] + (model.cell === 'lstm' ? 2 : 1);
  const perToken = model.hidden_size * (model.num_layers * perLayer + 1) + 2 * (model.embedding_size ?? 0);
  const logits = outputSteps(steps, lanes, vocabularySize) * lanes * vocabularySize;
  return steps * lanes * perToken + logits;
};

/**
 * What a job would need, by arithmetic alone. Exact where the vocabulary is known (bytes); words are counted by a rule of thumb.
 * @param data what `checkData` found; null for an endless text
 * @throws UnfoldError `text_too_short`
 */
export const estimate = (
  spec: JobSpec,
  size: TextSize,
  data: DataSummary | null = null,
): EstimateResource => {
  const { model, training } = spec;
  const vocabularySize = vocabularyBound(spec, size);
  const plan = planBatches(spec, size, data);
  const parameters = countParameters(model, textShape(vocabularySize));
  const slots = slotsOf(spec);
  const state = plan.lanes * model.hidden_size * model.num_layers * (model.cell === 'lstm' ? 2 : 1);
  // Beside the tensors a checkpoint holds its header: names, spec and vocabulary.
  const headerBytes = 8192 + 12 * vocabularySize;
  return {
    object: 'training.estimate',
    parameters,
    memory_bytes: 4 * ((2 + slots) * parameters + activationCount(spec, plan, vocabularySize)),
    checkpoint_bytes: 4 * ((1 + slots) * parameters + state) + headerBytes,
    steps_per_epoch: plan.perEpoch,
    total_steps: Math.min(training.max_steps ?? Number.POSITIVE_INFINITY, training.epochs * plan.perEpoch),
    vocabulary_size: vocabularySize,
  };
};
