import { type Command, Option } from 'commander';
import { deviceClasses, engineNames, precisionNames, tasks } from '../options/choices.ts';

/** The common options of a job's spec, each with the field that it sets. All others are reached by `--set`. */
interface SpecOption {
  flags: string;
  path: string;
  description: string;
  choices?: readonly string[];
}

export const specOptions: readonly SpecOption[] = [
  { flags: '--name <name>', path: 'name', description: 'the name that the model answers to' },
  { flags: '--task <task>', path: 'task', description: 'what to train for (language_model)', choices: tasks },
  {
    flags: '--level <level>',
    path: 'text.level',
    description: 'what a token is (char)',
    choices: ['char', 'word', 'byte'],
  },
  {
    flags: '--sequences <kind>',
    path: 'text.sequences',
    description: 'whether a text is one, or one a line … (whole)',
    choices: ['whole', 'lines', 'blank_lines', 'json_lines'],
  },
  {
    flags: '--cell <cell>',
    path: 'model.cell',
    description: 'what a layer computes (lstm)',
    choices: ['elman', 'lstm', 'gru'],
  },
  {
    flags: '--hidden-size <number>',
    path: 'model.hidden_size',
    description: 'hidden units of a layer (256)',
  },
  { flags: '--layers <number>', path: 'model.num_layers', description: 'layers (2)' },
  {
    flags: '--embedding-size <number>',
    path: 'model.embedding_size',
    description: 'width of an embedding (none)',
  },
  { flags: '--dropout <rate>', path: 'model.dropout', description: 'between layers (0)' },
  { flags: '--epochs <number>', path: 'training.epochs', description: 'passes over the data (10)' },
  { flags: '--steps <number>', path: 'training.max_steps', description: 'end after so many steps (none)' },
  { flags: '--seconds <number>', path: 'training.max_seconds', description: 'end after so long (none)' },
  { flags: '--batch-size <number>', path: 'training.batch_size', description: 'sequences side by side (64)' },
  {
    flags: '--sequence-length <number>',
    path: 'training.sequence_length',
    description: 'time steps of a window (64)',
  },
  { flags: '--lr <number>', path: 'training.optimizer.learning_rate', description: 'learning rate (0.002)' },
  {
    flags: '--optimizer <type>',
    path: 'training.optimizer.type',
    description: 'optimizer (adam)',
    choices: ['adam', 'adamw', 'rmsprop', 'adagrad', 'sgd'],
  },
  {
    flags: '--precision <precision>',
    path: 'training.precision',
    description: 'of products (fp32)',
    choices: precisionNames,
  },
  {
    flags: '--validation-fraction <share>',
    path: 'training.validation_fraction',
    description: 'what is held out (0.1)',
  },
  {
    flags: '--evaluate-every <steps>',
    path: 'training.evaluate_every',
    description: 'steps between evaluations (each epoch)',
  },
  {
    flags: '--start-from <model>',
    path: 'start_from.model',
    description: 'go on from a trained model',
  },
  {
    flags: '--engine <engine>',
    path: 'engine',
    description: 'what computes (auto)',
    choices: ['auto', ...engineNames],
  },
  { flags: '--device <device>', path: 'device', description: 'where to run (any)', choices: deviceClasses },
  { flags: '--seed <number>', path: 'seed', description: 'another seed, another run (1)' },
  { flags: '--priority <number>', path: 'priority', description: '-100 to 100, higher first (0)' },
];

/** The name under which commander keeps an option's value. */
export const keyOf = ({ flags }: SpecOption): string => new Option(flags).attributeName();

/** The option that sets a field, or the field itself. */
export const nameOfField = (path: string): string => {
  const option = specOptions.find((each) => each.path === path);
  return option ? `${option.flags.split(' ')[0]} (${path})` : path;
};

export const withSpecOptions = (command: Command): Command => {
  for (const { flags, description, choices } of specOptions) {
    const option = new Option(flags, description);
    command.addOption(choices ? option.choices(choices) : option);
  }
  return command;
};
