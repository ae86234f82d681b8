import type { CompletionOptions } from '@unfold/client';
import type { Command } from 'commander';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { decimal, integer } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { harmless } from '../output/format.ts';
import { print, printJson } from '../output/print.ts';
import { styleOf } from '../output/style.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { listOrText, textOrStdin } from './inference.ts';

interface GenerateOptions extends ServiceOptions {
  context?: string;
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  seed?: number;
  session?: string;
  stop?: string[];
  n?: number;
  bestOf?: number;
  beamWidth?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  logprobs?: number;
  echo?: boolean;
}

const requestOf = (model: string, prompt: string, options: GenerateOptions): CompletionOptions => ({
  model,
  prompt,
  context:
    options.context === undefined ? null : (listOrText(options.context, '--context') as string | number[]),
  max_tokens: options.maxTokens,
  temperature: options.temperature,
  top_p: options.topP,
  top_k: options.topK,
  seed: options.seed,
  session: options.session,
  stop: options.stop,
  n: options.n,
  best_of: options.bestOf,
  beam_width: options.beamWidth,
  frequency_penalty: options.frequencyPenalty,
  presence_penalty: options.presencePenalty,
  logprobs: options.logprobs,
  echo: options.echo,
});

/** What is chosen among others is known at its end, and several texts at once would be mixed. */
const needsTheWhole = ({ json, n = 1, bestOf = 1, beamWidth }: GenerateOptions): boolean =>
  json === true || n > 1 || bestOf > 1 || beamWidth !== undefined;

/** Prints text as it is generated; several texts one after another, a line with their number before each. */
const generate = async (
  model: string,
  prompt: string | undefined,
  options: GenerateOptions,
): Promise<void> => {
  if (options.logprobs !== undefined && !options.json)
    throw new CommandError('--logprobs are printed with --json only: add it.', exitCodes.usage);
  const unfold = await findService(options);
  const request = requestOf(model, (await textOrStdin(prompt)) ?? '', options);
  const shown = (text: string): string => (process.stdout.isTTY ? harmless(text) : text);
  if (!needsTheWhole(options)) {
    for await (const { choices } of unfold.completions.stream(request))
      process.stdout.write(shown(choices[0]?.text ?? ''));
    return print('');
  }
  const answer = await unfold.completions.create(request);
  if (options.json) return printJson(answer);
  const { dim } = styleOf(process.stdout);
  for (const { index, text } of answer.choices)
    print(answer.choices.length > 1 ? `${dim(`--- ${index + 1}`)}\n${shown(text)}` : shown(text));
};

/** `unfold generate` */
export const addGenerateCommand = (program: Command): void => {
  withExamples(
    withService(program.command('generate'))
      .argument('<model>', "a model's name or id, or a checkpoint's id")
      .argument('[prompt]', 'the text to go on from; - reads stdin')
      .description('Prints text as a model writes it.')
      .option(
        '--context <label or numbers>',
        'what the text is conditioned on: a label, or numbers as [1, 2]',
      )
      .option('--max-tokens <number>', 'most tokens', integer(0, 100_000))
      .option('--temperature <number>', '0 takes the likeliest token', decimal(0, 10))
      .option(
        '--top-p <number>',
        'only the likeliest tokens with so much probability together',
        decimal(0, 1),
      )
      .option('--top-k <number>', 'only so many of the likeliest tokens', integer(1, 1_000_000_000))
      .option('--seed <number>', 'the same seed gives the same text', integer(0, 4_294_967_295))
      .option('--session <session>', 'go on from what a session remembers, and leave it behind the text')
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
      .action(generate),
    'unfold generate moby-dick "Call me " --temperature 0.5',
    'unfold generate surnames --context Italian -n 5',
    'unfold generate moby-dick "Call me Ishmael" --max-tokens 0 --echo --logprobs 0 --json',
  );
};
