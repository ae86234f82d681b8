import { excludes, needs, type Rule, readsWindows, writesText } from './rule.ts';

const cells: Rule[] = [
  ({ model }) =>
    model.activation !== 'tanh' && model.cell !== 'elman'
      ? needs('model.activation', model.activation, 'model.cell', ['elman'], model.cell)
      : null,
  ({ model }) =>
    model.candidate_activation !== 'tanh' && model.cell !== 'lstm'
      ? needs('model.candidate_activation', model.candidate_activation, 'model.cell', ['lstm'], model.cell)
      : null,
  ({ model }) =>
    model.peephole && model.cell !== 'lstm'
      ? needs('model.peephole', true, 'model.cell', ['lstm'], model.cell)
      : null,
  ({ model }) =>
    model.reset === 'before' && model.cell !== 'gru'
      ? needs('model.reset', model.reset, 'model.cell', ['gru'], model.cell)
      : null,
  ({ model }) =>
    model.init === 'identity' && model.cell !== 'elman'
      ? needs('model.init', model.init, 'model.cell', ['elman'], model.cell)
      : null,
  ({ model }) =>
    model.recurrent_dropout > 0 && model.cell === 'elman'
      ? needs('model.recurrent_dropout', true, 'model.cell', ['lstm', 'gru'], model.cell)
      : null,
];

const outputOnly = 'recurrence "output" carries no hidden state from step to step';

const recurrences: Rule[] = [
  ({ model }) =>
    model.recurrence === 'output' && model.cell !== 'elman'
      ? needs('model.recurrence', model.recurrence, 'model.cell', ['elman'], model.cell)
      : null,
  (spec) =>
    spec.model.recurrence === 'both' && writesText(spec)
      ? excludes(
          'model.recurrence',
          'both',
          'task',
          spec.task,
          'its input already is the output before, so that "hidden" is both',
        )
      : null,
  ({ model, task }) =>
    model.recurrence !== 'hidden' && task === 'classification'
      ? excludes(
          'model.recurrence',
          model.recurrence,
          'task',
          task,
          'there is one output, at the end of the sequence',
        )
      : null,
  ({ model, training }) =>
    model.recurrence === 'output' &&
    training.teacher_forcing.mode === 'always' &&
    training.bptt.window !== null
      ? excludes(
          'training.bptt.window',
          training.bptt.window,
          'model.recurrence',
          'output',
          'under training.teacher_forcing "always" no gradient flows through time',
        )
      : null,
  ({ model }) =>
    model.recurrence === 'output' && model.init === 'identity'
      ? excludes(
          'model.init',
          model.init,
          'model.recurrence',
          'output',
          'there is no recurrent weight to start as the identity',
        )
      : null,
  ({ model }) =>
    model.recurrence === 'output' && model.initial_state === 'learned'
      ? excludes('model.initial_state', model.initial_state, 'model.recurrence', 'output', outputOnly)
      : null,
  ({ model }) =>
    model.recurrence === 'output' && model.zoneout > 0
      ? excludes('model.zoneout', model.zoneout, 'model.recurrence', 'output', outputOnly)
      : null,
  ({ model }) =>
    model.recurrence === 'output' && model.context !== null && model.context.inject !== 'every_step'
      ? excludes('model.context.inject', model.context.inject, 'model.recurrence', 'output', outputOnly)
      : null,
  ({ model, task }) =>
    model.bidirectional && task !== 'sequence_labeling' && task !== 'classification'
      ? needs('model.bidirectional', true, 'task', ['sequence_labeling', 'classification'], task)
      : null,
  ({ model }) =>
    model.bidirectional && model.recurrence !== 'hidden'
      ? needs('model.bidirectional', true, 'model.recurrence', ['hidden'], model.recurrence)
      : null,
  ({ model, training }) =>
    model.bidirectional && training.bptt.window !== null
      ? excludes(
          'training.bptt.window',
          training.bptt.window,
          'model.bidirectional',
          true,
          'the two directions would be cut at different steps',
        )
      : null,
];

const layers: Rule[] = [
  ({ model }) =>
    model.tie_weights && model.embedding_size !== model.hidden_size
      ? [
          'model.tie_weights',
          `model.tie_weights needs model.embedding_size to equal model.hidden_size (${model.hidden_size}), but received ${model.embedding_size}.`,
        ]
      : null,
  (spec) =>
    spec.model.tie_weights && !writesText(spec)
      ? needs('model.tie_weights', true, 'task', ['language_model', 'conditional_generation'], spec.task)
      : null,
  ({ model, task }) =>
    model.embedding_size !== null && task === 'forecasting'
      ? excludes('model.embedding_size', model.embedding_size, 'task', task, 'numbers are no tokens to embed')
      : null,
  ({ model }) =>
    model.dropout > 0 && model.num_layers === 1
      ? ['model.dropout', 'model.dropout acts between layers, but model.num_layers is 1: expected 0.']
      : null,
  ({ model }) =>
    model.variational_dropout > 0 && model.num_layers === 1
      ? [
          'model.variational_dropout',
          'model.variational_dropout acts between layers, but model.num_layers is 1: expected 0.',
        ]
      : null,
  ({ model }) =>
    model.variational_dropout > 0 && model.dropout > 0
      ? excludes(
          'model.variational_dropout',
          model.variational_dropout,
          'model.dropout',
          model.dropout,
          'both mask what passes between layers',
        )
      : null,
  (spec) =>
    spec.model.norm === 'batch' && readsWindows(spec) && spec.training.bptt.stateful
      ? excludes(
          'model.norm',
          'batch',
          'training.bptt.stateful',
          true,
          'its statistics are kept by step from the start of a sequence',
        )
      : null,
  ({ model, training }) =>
    model.norm === 'batch' && training.batch_size === 1
      ? [
          'model.norm',
          'model.norm "batch" needs training.batch_size of at least 2, since one row has no statistics, but received 1.',
        ]
      : null,
];

/** Options of the network that exclude each other, or the task. */
export const networkRules: Rule[] = [...cells, ...recurrences, ...layers];
