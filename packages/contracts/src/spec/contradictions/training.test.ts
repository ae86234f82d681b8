import { describe } from 'vitest';
import {
  type Contradiction,
  conditional,
  contradict,
  file,
  labeling,
  lines,
} from '../../../test-support/specs.ts';

const never = { teacher_forcing: { mode: 'never' } };
const scheduled = (options: object) => ({ training: { teacher_forcing: { mode: 'scheduled', ...options } } });
const from = (options: object) => ({ start_from: { model: 'base', ...options } });
const rows: Contradiction[] = [
  [
    'feeding back a label',
    'training.teacher_forcing.mode',
    'task',
    { task: 'classification', training: never },
    { training: never },
  ],
  [
    'bfloat16 where there is none',
    'training.precision',
    'engine',
    { engine: 'tfjs', training: { precision: 'bf16' } },
    { engine: 'native', training: { precision: 'bf16' } },
  ],
  [
    'feeding back where no arrow goes',
    'training.teacher_forcing.mode',
    'model.recurrence',
    { task: labeling, training: never },
    { task: labeling, model: { recurrence: 'both' }, training: never },
  ],
  [
    'k of a line',
    'training.teacher_forcing.k',
    'training.teacher_forcing.schedule',
    scheduled({ k: 5 }),
    scheduled({ c: 0.1, floor: 0.2 }),
  ],
  [
    'c of a power',
    'training.teacher_forcing.c',
    'training.teacher_forcing.schedule',
    scheduled({ schedule: 'exponential', c: 0.1 }),
    scheduled({ schedule: 'exponential', k: 0.9 }),
  ],
  [
    'the floor of a sigmoid',
    'training.teacher_forcing.floor',
    'training.teacher_forcing.schedule',
    scheduled({ schedule: 'inverse_sigmoid', floor: 0.1 }),
    scheduled({ schedule: 'inverse_sigmoid' }),
  ],
  [
    'a power that does not fall',
    'training.teacher_forcing.k',
    'training.teacher_forcing.schedule',
    scheduled({ schedule: 'exponential', k: 1 }),
    scheduled({ schedule: 'inverse_sigmoid', k: 1 }),
  ],
  [
    'a sigmoid that starts too low',
    'training.teacher_forcing.k',
    'training.teacher_forcing.schedule',
    scheduled({ schedule: 'inverse_sigmoid', k: 0.5 }),
    scheduled({ schedule: 'exponential', k: 0.5 }),
  ],
  [
    'gradients cut beyond the window',
    'training.bptt.window',
    'training.sequence_length',
    { training: { bptt: { window: 65 } } },
    { task: labeling, training: { bptt: { window: 65 } } },
  ],
  [
    'stopping early on no evidence',
    'training.early_stopping',
    'training.validation_fraction',
    { training: { validation_fraction: 0, early_stopping: {} } },
    { training: { early_stopping: {} } },
  ],
  [
    'a plateau of nothing',
    'training.schedule',
    'training.validation_fraction',
    { training: { validation_fraction: 0, schedule: { type: 'plateau' } } },
    { validation_file: file, training: { validation_fraction: 0, schedule: { type: 'plateau' } } },
  ],
  [
    'Nesterov without momentum',
    'training.optimizer.nesterov',
    'training.optimizer.momentum',
    { training: { optimizer: { type: 'sgd', nesterov: true } } },
    { training: { optimizer: { type: 'sgd', nesterov: true, momentum: 0.9 } } },
  ],
  [
    'samples of what writes no text',
    'training.sample_every',
    'task',
    { task: labeling, training: { sample_every: 5 } },
    { training: { sample_every: 5 } },
  ],
  [
    'freezing a layer too many',
    'start_from.freeze',
    'model.num_layers',
    from({ freeze: ['layers.2'] }),
    from({ freeze: ['layers.1'] }),
  ],
  [
    'resetting an embedding that is not there',
    'start_from.reset',
    'model.embedding_size',
    from({ reset: ['embedding'] }),
    { ...from({ reset: ['embedding'] }), model: { embedding_size: 8 } },
  ],
  [
    'freezing feedback that is not there',
    'start_from.freeze',
    'model.recurrence',
    from({ freeze: ['feedback'] }),
    { task: labeling, model: { recurrence: 'both' }, ...from({ freeze: ['feedback'] }) },
  ],
  [
    'resetting a context that is not there',
    'start_from.reset',
    'model.context',
    from({ reset: ['context'] }),
    { task: conditional, ...from({ reset: ['context'] }) },
  ],
  [
    'resetting an end that is predicted as a token',
    'start_from.reset',
    'model.length',
    from({ reset: ['length'] }),
    { ...lines, model: { length: 'bernoulli' }, ...from({ reset: ['length'] }) },
  ],
  [
    'freezing a first state of zeros',
    'start_from.freeze',
    'model.initial_state',
    from({ freeze: ['initial_state'] }),
    { model: { initial_state: 'learned' }, ...from({ freeze: ['initial_state'] }) },
  ],
  [
    'freezing what starts afresh',
    'start_from.freeze',
    'start_from.reset',
    from({ freeze: ['head'], reset: ['head'] }),
    from({ freeze: ['layers.0'], reset: ['head'] }),
  ],
  [
    'freezing everything',
    'start_from.freeze',
    'model.num_layers',
    from({ freeze: ['layers.0', 'layers.1', 'head'] }),
    from({ freeze: ['layers.0', 'layers.1'] }),
  ],
];

describe('options of training that contradict each other', () => contradict(rows));
