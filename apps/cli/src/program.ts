import { Command, Option } from 'commander';
import { addActivationsCommand } from './commands/activations.ts';
import { addCheckpointsCommand } from './commands/checkpoints.ts';
import { addFileCommands } from './commands/files.ts';
import { addGenerateCommand } from './commands/generate.ts';
import { addInferenceCommands } from './commands/inference.ts';
import { addJobCommands } from './commands/jobs.ts';
import { addKeyCommands } from './commands/keys.ts';
import { addMetricsCommand } from './commands/metrics.ts';
import { addModelCommands } from './commands/models.ts';
import { addSessionCommands } from './commands/sessions.ts';
import { addSystemCommand } from './commands/system.ts';
import { addWatchCommand } from './commands/watch.ts';
import { addWorkerCommand } from './commands/workers.ts';
import { addCompletionCommands } from './completion/completion-command.ts';
import { integer } from './options/parsers.ts';
import { withExamples, withPlace } from './options/shared.ts';
import { styleOf } from './output/style.ts';
import { addTrainCommand } from './train/train-command.ts';

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

/** The `unfold` command line. */
export const createProgram = (): Command => {
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
  program.commandsGroup('A service:');
  addUp(program);
  addQuickstart(program);
  addDoctor(program);
  program.commandsGroup('Training:');
  addTrainCommand(program);
  addJobCommands(program);
  addWatchCommand(program);
  addMetricsCommand(program);
  addCheckpointsCommand(program);
  program.commandsGroup('Models:');
  addModelCommands(program);
  addGenerateCommand(program);
  addInferenceCommands(program);
  addActivationsCommand(program);
  addSessionCommands(program);
  program.commandsGroup('What a service holds:');
  addFileCommands(program);
  addKeyCommands(program);
  addWorkerCommand(program);
  addSystemCommand(program);
  program.commandsGroup('This command line:');
  addCompletionCommands(program);
  return program;
};
