import { Command, Option } from 'commander';
import { integer } from './options/parsers.ts';
import { withExamples, withPlace } from './options/shared.ts';
import { styleOf } from './output/style.ts';

const addUp = (program: Command): void => {
  withExamples(
    withPlace(program.command('up'))
      .description('Serves until Ctrl-C: database, API and workers.')
      .option('--workers <number>', 'worker processes', integer(0, 64), 1)
      .option('--gpu', "and one that owns this machine's GPU (see `unfold doctor`)")
      .option('--json', 'print the address as JSON')
      .addHelpText(
        'after',
        `
Every option of the environment holds too (see .env.example). Without DATABASE_URL an embedded PostgreSQL is started
in the data folder; without REDIS_URL the queue lives in PostgreSQL.`,
      )
      // What serves and what looks at the machine loads the database, the other commands need not wait for that.
      .action(async (options) => (await import('./up-command.ts')).up(options)),
    'unfold up',
    'unfold up --port 0 --data-dir /tmp/unfold-trial',
    'unfold up --gpu',
    'DATABASE_URL=postgresql://… REDIS_URL=redis://… unfold up --workers 2',
  );
};

const addDoctor = (program: Command): void => {
  withExamples(
    program
      .command('doctor')
      .description('Looks at this machine, and says what to do.')
      .option('--data-dir <folder>', 'where everything is kept (UNFOLD_DATA_DIR, .unfold)')
      .option('--json', 'print the findings as JSON')
      .addHelpText('after', '\nChanges nothing. Ends with 1 if something cannot work as it is configured.')
      .action(async (options) => (await import('./doctor/doctor-command.ts')).doctor(options)),
    'unfold doctor',
    'DATABASE_URL=postgresql://… unfold doctor --json',
  );
};

const addQuickstart = (program: Command): void => {
  withExamples(
    withPlace(program.command('quickstart'))
      .description('Trains a network on Moby Dick before your eyes.')
      .option('--exit', 'end when the text is written, instead of serving on')
      .addOption(new Option('--steps <number>', 'training steps').argParser(integer(1, 1_000_000)))
      .addOption(
        new Option('--epochs <number>', 'passes over the book, in place of --steps')
          .argParser(integer(1, 1000))
          .conflicts('steps'),
      )
      .option('--seed <number>', 'another seed, another network', integer(0, 4_294_967_295), 1)
      .option('--json', 'print each frame of the run, then what the network wrote, as JSON Lines')
      .addHelpText(
        'after',
        `
Uses the service that already runs in the data folder, or starts one for itself. If the port is busy it takes a free one.`,
      )
      .action(async (options) => (await import('./quickstart/quickstart-command.ts')).quickstart(options)),
    'unfold quickstart',
    'unfold quickstart --exit',
    'unfold quickstart --epochs 3 --seed 7',
  );
};

const epilogue = `
Examples:
  $ unfold quickstart
  $ unfold up
  $ unfold train moby-dick.txt --name moby-dick --epochs 5
  $ unfold generate moby-dick "Call me " --temperature 0.5

Results go to stdout, everything else to stderr; --json prints JSON. Exit codes: 0 done, 1 refused or failed, 2 wrong
usage, 3 the job failed or was cancelled, 4 no service, 130 interrupted.
`;

interface Part {
  group: string;
  /** What begins its commands; empty where they need to know all others. */
  words: readonly string[];
  load(): Promise<(program: Command) => void>;
}

/** In the order of the help. */
const parts: readonly Part[] = [
  { group: 'A service:', words: ['up'], load: async () => addUp },
  { group: 'A service:', words: ['quickstart'], load: async () => addQuickstart },
  { group: 'A service:', words: ['doctor'], load: async () => addDoctor },
  {
    group: 'Training:',
    words: ['train'],
    load: async () => (await import('./train/train-command.ts')).addTrainCommand,
  },
  {
    group: 'Training:',
    words: ['jobs', 'pause', 'resume', 'cancel'],
    load: async () => (await import('./commands/jobs.ts')).addJobCommands,
  },
  {
    group: 'Training:',
    words: ['watch'],
    load: async () => (await import('./commands/watch.ts')).addWatchCommand,
  },
  {
    group: 'Training:',
    words: ['metrics'],
    load: async () => (await import('./commands/metrics.ts')).addMetricsCommand,
  },
  {
    group: 'Training:',
    words: ['checkpoints'],
    load: async () => (await import('./commands/checkpoints.ts')).addCheckpointsCommand,
  },
  {
    group: 'Models:',
    words: ['models', 'weights'],
    load: async () => (await import('./commands/models.ts')).addModelCommands,
  },
  {
    group: 'Models:',
    words: ['generate'],
    load: async () => (await import('./commands/generate.ts')).addGenerateCommand,
  },
  {
    group: 'Models:',
    words: ['score', 'predict'],
    load: async () => (await import('./commands/inference.ts')).addInferenceCommands,
  },
  {
    group: 'Models:',
    words: ['activations'],
    load: async () => (await import('./commands/activations.ts')).addActivationsCommand,
  },
  {
    group: 'Models:',
    words: ['sessions'],
    load: async () => (await import('./commands/sessions.ts')).addSessionCommands,
  },
  {
    group: 'What a service holds:',
    words: ['files'],
    load: async () => (await import('./commands/files.ts')).addFileCommands,
  },
  {
    group: 'What a service holds:',
    words: ['keys'],
    load: async () => (await import('./commands/keys.ts')).addKeyCommands,
  },
  {
    group: 'What a service holds:',
    words: ['workers'],
    load: async () => (await import('./commands/workers.ts')).addWorkerCommand,
  },
  {
    group: 'What a service holds:',
    words: ['system'],
    load: async () => (await import('./commands/system.ts')).addSystemCommand,
  },
  {
    group: 'This command line:',
    words: [],
    load: async () => (await import('./completion/completion-command.ts')).addCompletionCommands,
  },
];

/**
 * The `unfold` command line. Where its first word names a command no other is loaded, since to load all takes longer than most of them; else it
 * has all, to help, to complete and to guess what was meant.
 * @param words what stands behind `unfold`
 */
export const createProgram = async (words: readonly string[]): Promise<Command> => {
  const program = new Command('unfold')
    .description('Trains and serves recurrent neural networks over HTTP and WebSockets.')
    .showHelpAfterError('Add --help for the options.')
    .addHelpText('after', epilogue)
    .configureOutput({
      // A program is told by reportError, in JSON.
      ...(process.argv.includes('--json') && { writeErr: () => {} }),
      outputError: (text, write) => write(text.replace(/^error:/, styleOf(process.stderr).red('unfold:'))),
    })
    // main.ts ends the process.
    .exitOverride();
  const named = parts.filter((part) => part.words.includes(words[0] ?? ''));
  for (const { group, load } of named.length > 0 ? named : parts) {
    program.commandsGroup(group);
    (await load())(program);
  }
  return program;
};
