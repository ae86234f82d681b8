import { enginesOfPrecision, excludedByPrecision, excludesDevice } from '../demand.ts';
import type { CompletedSpec } from '../spec-fields.ts';
import type { ParameterGroup } from '../start-from.ts';
import { excludes, quoted, type Rule, readsWindows, writesText } from './rule.ts';

const forcing: Rule[] = [
  ({ training, task }) =>
    training.teacher_forcing.mode !== 'always' && task === 'classification'
      ? excludes(
          'training.teacher_forcing.mode',
          training.teacher_forcing.mode,
          'task',
          task,
          'no output is fed back',
        )
      : null,
  ({ training, model, task }) =>
    training.teacher_forcing.mode !== 'always' &&
    task === 'sequence_labeling' &&
    model.recurrence === 'hidden'
      ? excludes(
          'training.teacher_forcing.mode',
          training.teacher_forcing.mode,
          'model.recurrence',
          'hidden',
          'no output is fed back',
        )
      : null,
];

const validates = ({ training, validation_file }: CompletedSpec): boolean =>
  training.validation_fraction > 0 || validation_file !== null;
const heldOut = 'expected training.validation_fraction above 0 or a validation_file';

const schedules: Rule[] = [
  (spec) => {
    const { bptt, sequence_length } = spec.training;
    return bptt.window !== null && readsWindows(spec) && bptt.window > sequence_length
      ? [
          'training.bptt.window',
          `training.bptt.window (${bptt.window}) must not be longer than training.sequence_length (${sequence_length}).`,
        ]
      : null;
  },
  (spec) =>
    !validates(spec) && spec.training.early_stopping !== null
      ? ['training.early_stopping', `training.early_stopping needs validation data: ${heldOut}.`]
      : null,
  (spec) =>
    !validates(spec) && spec.training.schedule.type === 'plateau'
      ? ['training.schedule', `training.schedule "plateau" needs validation data: ${heldOut}.`]
      : null,
  ({ training: { optimizer } }) =>
    optimizer.type === 'sgd' && optimizer.nesterov && optimizer.momentum === 0
      ? [
          'training.optimizer.nesterov',
          'training.optimizer.nesterov needs training.optimizer.momentum above 0, but received 0.',
        ]
      : null,
  (spec) =>
    spec.training.sample_every !== null && !writesText(spec)
      ? excludes('training.sample_every', spec.training.sample_every, 'task', spec.task, 'it writes no text')
      : null,
];

/** The parts of this network, and the field that makes each of them. */
const absentGroup = ({ model }: CompletedSpec, group: ParameterGroup): string | null => {
  switch (group) {
    case 'head':
      return null;
    case 'embedding':
      return model.embedding_size === null ? 'model.embedding_size null' : null;
    case 'feedback':
      return model.recurrence === 'hidden' ? 'model.recurrence "hidden"' : null;
    case 'context':
      return model.context === null ? 'model.context null' : null;
    case 'length':
      return model.length === 'eos' ? 'model.length "eos"' : null;
    case 'initial_state':
      return model.initial_state === 'zeros' ? 'model.initial_state "zeros"' : null;
    default:
      return Number(group.slice('layers.'.length)) >= model.num_layers
        ? `model.num_layers ${model.num_layers}`
        : null;
  }
};

const groupsOf = (spec: CompletedSpec): ParameterGroup[] =>
  [
    'embedding',
    ...Array.from({ length: spec.model.num_layers }, (_, k) => `layers.${k}`),
    'head',
    'feedback',
    'context',
    'length',
    'initial_state',
  ].filter((group) => absentGroup(spec, group) === null);

const transfer: Rule[] = (['freeze', 'reset'] as const).map((list) => (spec) => {
  for (const group of spec.start_from?.[list] ?? []) {
    const absent = absentGroup(spec, group);
    if (absent !== null)
      return [
        `start_from.${list}`,
        `start_from.${list} names ${quoted(group)}, which a network with ${absent} does not have.`,
      ];
  }
  return null;
});
transfer.push(
  ({ start_from }) => {
    const both = start_from?.freeze.find((group) => start_from.reset.includes(group));
    return both === undefined
      ? null
      : [
          'start_from.freeze',
          `start_from.freeze and start_from.reset both name ${quoted(both)}: what starts afresh must be trained.`,
        ];
  },
  (spec) =>
    spec.start_from !== null && groupsOf(spec).every((group) => spec.start_from!.freeze.includes(group))
      ? [
          'start_from.freeze',
          'start_from.freeze names every part of the network (model.num_layers and the rest): nothing is left to train.',
        ]
      : null,
);

const placement: Rule[] = [
  (spec) => {
    const { precision } = spec.training;
    const other = excludedByPrecision(spec);
    const able = enginesOfPrecision[precision].join(' and ');
    return other === null
      ? null
      : excludes('training.precision', precision, other, spec[other], `only ${able} can compute in it`);
  },
  (spec) =>
    excludesDevice(spec)
      ? excludes('device', spec.device, 'engine', spec.engine, 'that engine never computes there')
      : null,
];

/** Options of the training that exclude each other, the network's or the task. */
export const trainingRules: Rule[] = [...forcing, ...schedules, ...transfer, ...placement];
