import type { ActivationsResource } from '@unfold/contracts';
import type { Command } from 'commander';
import { heightOf } from '../live/draw.ts';
import { integer, names } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { oneLine } from '../output/format.ts';
import { print, printJson } from '../output/print.ts';
import { type Style, styleOf } from '../output/style.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { listOrText, textOrStdin } from './inference.ts';

interface ActivationsOptions extends ServiceOptions {
  context?: string;
  layer?: number;
  units?: string[];
  limit?: number;
}

/** How a token is shown: on one line, and never as nothing. */
const shown = (token: string): string =>
  oneLine(token.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '␣'), 40);

/**
 * The text in one line and below it a line for each unit, a bar for each token, from −1 to 1. Long texts go on in further blocks.
 * @param width columns of the terminal
 */
export const drawActivations = (
  { tokens, units }: ActivationsResource,
  style: Style,
  width: number,
): string[] => {
  const head = Math.max(...units.map(({ name }) => name.length)) + 2;
  const texts = tokens.map(shown);
  // Tokens of one character stand side by side, longer ones apart.
  const gap = texts.every((text) => [...text].length === 1) ? 0 : 1;
  const widths = texts.map((text) => [...text].length + gap);
  const lines: string[] = [];
  for (let from = 0; from < texts.length; ) {
    let to = from;
    for (let used = head; to < texts.length && (to === from || used + widths[to]! <= width); to += 1)
      used += widths[to]!;
    const places = widths.slice(from, to).map((_, index) => from + index);
    const line = (name: string, cellOf: (place: number) => string): string =>
      `${style.dim(name.padEnd(head))}${places.map((place) => cellOf(place) + ' '.repeat(gap)).join('')}`.trimEnd();
    lines.push(line('', (place) => texts[place]!));
    for (const { name, values } of units)
      lines.push(line(name, (place) => heightOf((values[place]! + 1) / 2).repeat(widths[place]! - gap)));
    from = to;
    if (from < texts.length) lines.push('');
  }
  return lines;
};

const showActivations = async (
  model: string,
  text: string,
  { context, layer, units, limit, ...service }: ActivationsOptions,
): Promise<void> => {
  const unfold = await findService(service);
  const about = context === undefined ? null : (listOrText(context, '--context') as string | number[]);
  const input = (await textOrStdin(text)) ?? '';
  const answer = await unfold.models.activations(model, input, { context: about, layer, units, limit });
  if (service.json) return printJson(answer);
  const { stdout } = process;
  for (const line of drawActivations(answer, styleOf(stdout), stdout.columns ?? 100)) print(line);
};

/** `unfold activations` */
export const addActivationsCommand = (program: Command): void => {
  withExamples(
    withService(program.command('activations'))
      .argument('<model>', "a model's name or id, or a checkpoint's id")
      .argument('<text>', 'what it reads; - reads it from stdin')
      .description('Draws what hidden units are over a text.')
      .option('--context <label or numbers>', 'what the text is conditioned on')
      .option('--layer <number>', 'only units of this layer, 0 being the lowest', integer(0, 63))
      .option('--units <units>', 'these, as layer.unit, such as 0.17,1.3', names)
      .option('--limit <number>', 'of those that vary most, at most so many (16)', integer(1, 64))
      .action(showActivations),
    'unfold activations moby-dick "Call me Ishmael."',
    'unfold activations moby-dick - --units 1.17,1.203 < letter.txt',
  );
};
