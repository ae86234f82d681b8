import type { EstimateResource, JobSpec } from '@unfold/contracts';
import { planTraining } from './data/batch-plan.ts';
import { countParameters, gateCount } from './model/parameter-table.ts';
import { outputSteps } from './model/training-pass.ts';
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

/** Bytes of activations that a step of training keeps: they grow with the time steps that gradients flow through. */
export const activationBytes = (spec: JobSpec, lanes: number, vocabularySize: number): number =>
  4 * activationCount(spec, lanes, vocabularySize);

/** float32 numbers that a training step keeps: per layer output, gates and cell state, then logits and gradients. */
const activationCount = ({ model, training }: JobSpec, lanes: number, vocabularySize: number): number => {
  const steps = training.bptt.window ?? training.sequence_length;
  const perLayer = 1 + (model.dropout > 0 ? 1 : 0) + gateCount[model.cell] + (model.cell === 'lstm' ? 2 : 1);
  const perToken = model.hidden_size * (model.num_layers * perLayer + 1) + 2 * (model.embedding_size ?? 0);
  const logits = outputSteps(steps, lanes, vocabularySize) * lanes * vocabularySize;
  return steps * lanes * perToken + logits;
};

/**
 * What a job would need, by arithmetic alone. Exact where the vocabulary is known (bytes); words are counted by a rule of thumb.
 * @throws UnfoldError `text_too_short`
 */
export const estimate = (spec: JobSpec, size: TextSize): EstimateResource => {
  const { model, training } = spec;
  const heldOut = spec.validation_file === null ? training.validation_fraction : 0;
  const vocabularySize = vocabularyBound(spec, size);
  const trainingTokens = Math.floor(tokenCount(spec, size) * (1 - heldOut));
  const plan = planTraining(trainingTokens, training.batch_size, training.sequence_length);
  const parameters = countParameters(model, vocabularySize);
  const slots = slotsOf(spec);
  const state = plan.lanes * model.hidden_size * model.num_layers * (model.cell === 'lstm' ? 2 : 1);
  // Beside the tensors a checkpoint holds its header: names, spec and vocabulary.
  const headerBytes = 8192 + 12 * vocabularySize;
  return {
    object: 'training.estimate',
    parameters,
    memory_bytes: 4 * ((2 + slots) * parameters + activationCount(spec, plan.lanes, vocabularySize)),
    checkpoint_bytes: 4 * ((1 + slots) * parameters + state) + headerBytes,
    steps_per_epoch: plan.windows,
    total_steps: Math.min(training.max_steps ?? Number.POSITIVE_INFINITY, training.epochs * plan.windows),
    vocabulary_size: vocabularySize,
  };
};
