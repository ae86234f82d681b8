import type { CompletedSpec } from '../spec-fields.ts';
import { excludes, needs, quoted, type Rule, writesText } from './rule.ts';

const hasText = ({ task }: CompletedSpec): boolean => task !== 'forecasting';

const endings: Rule[] = [
  (spec) =>
    spec.model.length !== 'eos' && !writesText(spec)
      ? needs(
          'model.length',
          spec.model.length,
          'task',
          ['language_model', 'conditional_generation'],
          spec.task,
        )
      : null,
  ({ model, text, task }) =>
    model.length !== 'eos' && task === 'language_model' && text.sequences === 'whole'
      ? excludes('model.length', model.length, 'text.sequences', 'whole', 'an endless text has no end')
      : null,
  ({ model }) =>
    model.length === 'countdown' && model.max_length === null
      ? [
          'model.max_length',
          'model.length "countdown" needs model.max_length, the tokens of the longest sequence, but received null.',
        ]
      : null,
  ({ model }) =>
    model.length !== 'countdown' && model.max_length !== null
      ? needs('model.max_length', model.max_length, 'model.length', ['countdown'], model.length)
      : null,
  ({ model }) =>
    model.length !== 'countdown' && !model.renew
      ? [
          'model.renew',
          `model.renew false needs model.length "countdown", but received ${quoted(model.length)}.`,
        ]
      : null,
];

const contexts: Rule[] = [
  ({ model, task }) =>
    model.context !== null && task !== 'conditional_generation'
      ? needs('model.context', true, 'task', ['conditional_generation'], task)
      : null,
  ({ model }) =>
    model.initial_state === 'learned' && model.context !== null && model.context.inject !== 'every_step'
      ? excludes(
          'model.initial_state',
          'learned',
          'model.context.inject',
          model.context.inject,
          'both say what the first state is',
        )
      : null,
];

const texts: Rule[] = [
  ({ text, task }) => {
    const expected = task === 'language_model' ? null : task === 'forecasting' ? 'whole' : 'json_lines';
    return expected !== null && text.sequences !== expected
      ? needs('text.sequences', text.sequences, 'task', ['language_model'], task)
      : null;
  },
  ({ text }) =>
    text.level === 'byte' && text.lowercase
      ? ['text.lowercase', 'text.lowercase has no meaning for text.level "byte".']
      : null,
  ({ text }) =>
    text.level === 'byte' && text.max_vocab !== null
      ? ['text.max_vocab', 'text.max_vocab has no meaning for text.level "byte".']
      : null,
  (spec) =>
    !hasText(spec) && spec.text.level !== 'char'
      ? excludes('text.level', spec.text.level, 'task', spec.task, 'there is no text')
      : null,
  (spec) =>
    !hasText(spec) && spec.text.max_vocab !== null
      ? excludes('text.max_vocab', spec.text.max_vocab, 'task', spec.task, 'there is no text')
      : null,
  (spec) =>
    !hasText(spec) && spec.text.lowercase
      ? excludes('text.lowercase', true, 'task', spec.task, 'there is no text')
      : null,
];

const onlyForecasting =
  (field: 'format' | 'header' | 'columns'): Rule =>
  ({ series, task }) =>
    series[field] !== null && task !== 'forecasting'
      ? needs(`series.${field}`, true, 'task', ['forecasting'], task)
      : null;

const onlyCsv =
  (field: 'header' | 'columns'): Rule =>
  ({ series }) =>
    series[field] !== null && series.format === 'json_lines'
      ? needs(`series.${field}`, true, 'series.format', ['csv'], series.format)
      : null;

const numbers: Rule[] = [
  onlyForecasting('format'),
  onlyForecasting('header'),
  onlyForecasting('columns'),
  onlyCsv('header'),
  onlyCsv('columns'),
  ({ series, task }) =>
    series.normalization !== 'none' && task === 'language_model'
      ? excludes('series.normalization', series.normalization, 'task', task, 'there are no numbers')
      : null,
  ({ series, task, training }) =>
    task === 'forecasting' && training.loss === 'bernoulli' && series.normalization !== 'none'
      ? excludes(
          'series.normalization',
          series.normalization,
          'training.loss',
          training.loss,
          'it wants zeros and ones',
        )
      : null,
  ({ training, task }) =>
    training.loss === 'bernoulli' && task !== 'forecasting' && task !== 'sequence_labeling'
      ? needs('training.loss', training.loss, 'task', ['forecasting', 'sequence_labeling'], task)
      : null,
];

/** Options of the data, and of what the network gets from them, that exclude each other or the task. */
export const dataRules: Rule[] = [...endings, ...contexts, ...texts, ...numbers];
