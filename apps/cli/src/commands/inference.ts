import type { PredictionInput, PredictResource, ScoreResource } from '@unfold/contracts';
import type { Command } from 'commander';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { integer } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { oneLine } from '../output/format.ts';
import { print, printJson } from '../output/print.ts';
import { type Style, styleOf } from '../output/style.ts';
import { findService, type ServiceOptions } from '../service-address.ts';

/** A list is written as JSON; everything else is text as it stands. */
export const listOrText = (text: string, what: string): unknown => {
  if (!text.trimStart().startsWith('[')) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CommandError(
      `Expected ${what} to be text, or a list as JSON, but received ${text}.`,
      exitCodes.usage,
    );
  }
};

/** What was given as `-`, or not at all where something is piped in, comes from stdin. */
export const textOrStdin = async (text: string | undefined): Promise<string | undefined> => {
  if (text !== '-') return text;
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new CommandError('Expected UTF-8 on stdin, but received bytes that are none.', exitCodes.usage);
  }
};

type Prediction = PredictResource['data'][number];
const othersShown = 3;

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

const describePrediction = (prediction: Prediction, style: Style): string => {
  if ('tags' in prediction) return prediction.tags.join(' ');
  if ('values' in prediction) return prediction.values.map((vector) => vector.join(' ')).join('\n');
  const ranked = Object.entries(prediction.probabilities).sort(([, a], [, b]) => b - a);
  const [best, ...others] = ranked;
  const rest = others.slice(0, othersShown).map(([label, share]) => `${label} ${percent(share)}`);
  return `${prediction.label}  ${percent(best?.[1] ?? 0)}${rest.length > 0 ? style.dim(`  (${rest.join(', ')})`) : ''}`;
};

interface PredictOptions extends ServiceOptions {
  steps?: number;
  beamWidth?: number;
}

const predict = async (
  model: string,
  input: string,
  { steps, beamWidth, ...service }: PredictOptions,
): Promise<void> => {
  const unfold = await findService(service);
  // The API says what is wrong with an input of another shape.
  const given = listOrText((await textOrStdin(input)) ?? '', 'the input') as PredictionInput;
  const answer = await unfold.models.predict(model, given, { steps, beam_width: beamWidth });
  if (service.json) return printJson(answer);
  for (const prediction of answer.data) print(describePrediction(prediction, styleOf(process.stdout)));
};

type Score = ScoreResource['data'][number];

/** Each token with its log-probability, one a line. */
const describeTokens = ({ tokens, log_probabilities: logs }: Score): string =>
  tokens
    .map((token, index) => `${(logs[index]?.toFixed(4) ?? '–').padStart(10)}  ${JSON.stringify(token)}`)
    .join('\n');

const describeScore = (score: Score, text: string, style: Style): string =>
  [
    `${score.perplexity === null ? '–' : score.perplexity.toFixed(3)}`.padStart(12),
    score.total.toFixed(3).padStart(12),
    style.dim(oneLine(text, 60)),
  ].join('  ');

const score = async (
  model: string,
  texts: string[],
  { context, tokens = false, ...service }: ServiceOptions & { context?: string; tokens?: boolean },
): Promise<void> => {
  const unfold = await findService(service);
  const input = texts.length === 1 && texts[0] === '-' ? [(await textOrStdin('-')) ?? ''] : texts;
  const about = context === undefined ? null : (listOrText(context, '--context') as string | number[]);
  const answer = await unfold.models.score(model, input, { context: about });
  if (service.json) return printJson(answer);
  const style = styleOf(process.stdout);
  print(style.dim(`${'PERPLEXITY'.padStart(12)}  ${'LOG P'.padStart(12)}  TEXT`));
  for (const [index, each] of answer.data.entries()) {
    print(describeScore(each, input[index] ?? '', style));
    if (tokens) print(describeTokens(each));
  }
};

/** `unfold score`, `predict` */
export const addInferenceCommands = (program: Command): void => {
  const model = ['<model>', "a model's name or id, or a checkpoint's id"] as const;
  withExamples(
    withService(program.command('score'))
      .argument(...model)
      .argument('<text...>', 'texts; - reads one from stdin')
      .description('Prints how likely texts are.')
      .option('--context <label or numbers>', 'what the texts are conditioned on')
      .option('--tokens', 'and that of each token')
      .action(score),
    'unfold score moby-dick "Call me Ishmael." "Call me a taxi."',
    'unfold score moby-dick - --tokens < letter.txt',
  );
  withExamples(
    withService(program.command('predict'))
      .argument(...model)
      .argument(
        '<input>',
        'a text, or as JSON a list: of texts, of tokens, of vectors, or of such lists; - reads stdin',
      )
      .description('Prints labels, tags or values.')
      .option(
        '--steps <number>',
        'of a forecast: time steps that come after the input',
        integer(1, 1_000_000),
      )
      .option('--beam-width <number>', 'of a labeling that feeds its answers back', integer(1, 64))
      .action(predict),
    'unfold predict languages Rossi',
    `unfold predict tagger '[["the", "fish", "sleeps"], ["they", "fish"]]' --json`,
    "unfold predict sunspots '[[101.2], [98.7], [92.1]]' --steps 12",
  );
};
