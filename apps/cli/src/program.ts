import { Command, InvalidArgumentError, Option } from 'commander';
import { generate, predict } from './inference-commands.ts';
import { quickstart } from './quickstart/quickstart-command.ts';
import { createSession, deleteSession, forkSession, listSessions } from './session-commands.ts';
import { up } from './up-command.ts';

const integer =
  (minimum: number, maximum: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Expected an integer from ${minimum} to ${maximum}.`);
  };

const withPlace = (command: Command): Command =>
  command
    .option('--port <number>', 'port of the API; 0 takes any free one (PORT, 8080)')
    .option('--host <address>', 'address to listen on; others than loopback need API keys (HOST, 127.0.0.1)')
    .option('--data-dir <folder>', 'where everything is kept (UNFOLD_DATA_DIR, .unfold)');

const withAddress = (command: Command): Command =>
  command
    .option('--url <address>', 'the service to ask; default: the one that runs in the data folder')
    .option('--data-dir <folder>', 'where that service keeps everything (UNFOLD_DATA_DIR, .unfold)');

const decimal =
  (minimum: number, maximum: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Expected a number from ${minimum} to ${maximum}.`);
  };

/** The `unfold` command line. */
export const createProgram = (): Command => {
  const program = new Command('unfold')
    .description('Trains and serves recurrent neural networks over HTTP and WebSockets.')
    .showHelpAfterError('Add --help for the options.')
    .addHelpText('after', '\nExamples:\n  $ unfold quickstart\n  $ unfold up --port 9000 --workers 2\n');

  withPlace(program.command('up'))
    .description('Starts database, API and workers on this machine, and serves until Ctrl-C.')
    .option('--workers <number>', 'worker processes', integer(0, 64), 1)
    .option('--gpu', "and one that owns this machine's GPU (see `unfold doctor`)")
    .addHelpText(
      'after',
      `
Every option of the environment holds too (see .env.example). Without DATABASE_URL an embedded PostgreSQL is started
in the data folder; without REDIS_URL the queue lives in PostgreSQL.

Examples:
  $ unfold up
  $ unfold up --port 0 --data-dir /tmp/unfold-trial
  $ unfold up --gpu
  $ DATABASE_URL=postgresql://… REDIS_URL=redis://… unfold up --workers 2
`,
    )
    .action(up);

  program
    .command('doctor')
    .description('Looks at this machine and says what to do: engines, database, queue, disk, port.')
    .option('--data-dir <folder>', 'where everything is kept (UNFOLD_DATA_DIR, .unfold)')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Changes nothing. Ends with 1 if something cannot work as it is configured.

Examples:
  $ unfold doctor
  $ DATABASE_URL=postgresql://… unfold doctor --json
`,
    )
    .action(async (options) => (await import('./doctor/doctor-command.ts')).doctor(options));

  withPlace(program.command('quickstart'))
    .description('Trains a small network on Moby Dick before your eyes, and lets it write.')
    .option('--exit', 'end when the text is written, instead of serving on')
    .addOption(new Option('--steps <number>', 'training steps').argParser(integer(1, 1_000_000)))
    .addOption(
      new Option('--epochs <number>', 'passes over the book, in place of --steps')
        .argParser(integer(1, 1000))
        .conflicts('steps'),
    )
    .option('--seed <number>', 'another seed, another network', integer(0, 4_294_967_295), 1)
    .addHelpText(
      'after',
      `
Uses the service that already runs in the data folder, or starts one for itself. If the port is busy it takes a free one.

Examples:
  $ unfold quickstart
  $ unfold quickstart --exit
  $ unfold quickstart --epochs 3 --seed 7
`,
    )
    .action(quickstart);

  withAddress(program.command('generate'))
    .argument('<model>', "a model's name or id, or a checkpoint's id")
    .argument('[prompt]', 'the text to go on from')
    .description('Prints text that a model writes.')
    .option('--context <label or numbers>', 'what the text is conditioned on: a label, or numbers as [1, 2]')
    .option('--max-tokens <number>', 'most tokens', integer(0, 100_000))
    .option('--temperature <number>', '0 takes the likeliest token', decimal(0, 10))
    .option('--top-p <number>', 'only the likeliest tokens with so much probability together', decimal(0, 1))
    .option('--top-k <number>', 'only so many of the likeliest tokens', integer(1, 1_000_000_000))
    .option('--seed <number>', 'the same seed gives the same text', integer(0, 4_294_967_295))
    .option('--session <id>', 'go on from what a session remembers, and leave it behind the text')
    .option('--stop <text...>', 'up to four texts before which to end')
    .option('-n, --n <number>', 'so many texts', integer(1, 128))
    .option('--best-of <number>', 'the best of so many texts', integer(1, 128))
    .option('--beam-width <number>', 'search for the likeliest text with a beam so wide', integer(1, 64))
    .option('--frequency-penalty <number>', 'against what was often written before', decimal(-2, 2))
    .option('--presence-penalty <number>', 'against what was written before', decimal(-2, 2))
    .option(
      '--logprobs <number>',
      'log-probabilities of so many tokens in each place; with --json',
      integer(0, 5),
    )
    .option('--echo', 'begin with the prompt')
    .option('--json', 'print the whole answer of the API as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ unfold generate moby-dick "Call me " --temperature 0.5
  $ unfold generate surnames --context Italian -n 5
  $ unfold generate moby-dick "Call me Ishmael" --max-tokens 0 --echo --logprobs 0 --json
`,
    )
    .action(generate);

  withAddress(program.command('predict'))
    .argument('<model>', "a model's name or id, or a checkpoint's id")
    .argument('<input>', 'a text, or as JSON a list: of texts, of tokens, of vectors, or of such lists')
    .description('Prints what a model makes of sequences, one answer a line, as JSON.')
    .addHelpText(
      'after',
      `
Examples:
  $ unfold predict languages Rossi
  $ unfold predict tagger '[["the", "fish", "sleeps"], ["they", "fish"]]'
`,
    )
    .action(predict);

  const sessions = program
    .command('sessions')
    .description('What models remember between calls: see also `unfold generate --session`.')
    .addHelpText(
      'after',
      `
Examples:
  $ SESSION=$(unfold sessions create moby-dick)
  $ unfold generate moby-dick "Call me " --session $SESSION
  $ OTHER=$(unfold sessions fork $SESSION)
  $ unfold sessions list --model moby-dick
`,
    );
  const model = "a model's name or id, or a checkpoint's id";
  withAddress(sessions.command('create'))
    .argument('<model>', model)
    .description('Begins a session and prints its id.')
    .action(createSession);
  withAddress(sessions.command('list'))
    .option('--model <model>', model)
    .description('Prints your sessions, newest first.')
    .action(listSessions);
  withAddress(sessions.command('fork'))
    .argument('<session>', 'its id')
    .description('Prints the id of another session at the same point.')
    .action(forkSession);
  withAddress(sessions.command('delete'))
    .argument('<session>', 'its id')
    .description('Forgets a session.')
    .action(deleteSession);

  return program;
};
