import { formatDuration, formatNumber, harmless, oneLine } from '../output/format.ts';
import { type Style, styleStatus } from '../output/style.ts';
import type { Picture } from './curve.ts';
import { describeSteps, fractionOf, progressBar, sparkline } from './draw.ts';

const labelWidth = 12;
const valueWidth = 8;
const sampleLines = 4;
/** Below this the view is cut. */
const narrowest = 20;
const shortestBar = 6;

const labelled = (label: string, value: string, style: Style): string =>
  style.dim(label.padEnd(labelWidth)) + value;

const drawSeries = (label: string, values: readonly number[], width: number, style: Style): string[] => {
  const last = values.at(-1);
  if (last === undefined) return [];
  const line = sparkline(values, Math.max(8, width - labelWidth - valueWidth));
  return [labelled(label, last.toFixed(3).padEnd(valueWidth) + style.cyan(line), style)];
};

/** The beginning of a text, folded into lines of at most `width`. */
const fold = (text: string, width: number): string[] => {
  const lines = harmless(text)
    .replaceAll('\t', ' ')
    .split('\n')
    .flatMap((line) => line.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []);
  return lines.slice(0, sampleLines);
};

const drawSample = ({ sample }: Picture, width: number, style: Style): string[] =>
  sample === null || sample.text.trim() === ''
    ? []
    : [
        '',
        style.dim(`It writes, at step ${formatNumber(sample.step)}:`),
        ...fold(sample.text, width - 2).map((line) => `  ${line}`),
      ];

const drawSpeed = ({ tokensPerSecond, epoch }: Picture, style: Style): string[] => {
  if (tokensPerSecond === null) return [];
  const epochs = epoch === null ? '' : style.dim(`  epoch ${epoch.toFixed(1)}`);
  return [labelled('speed', `${formatNumber(tokensPerSecond)} tokens/s${epochs}`, style)];
};

/** A run in a few lines of at most `columns`: bar, losses with their sparklines, speed, what the network writes. */
export const drawRun = (picture: Picture, columns: number, style: Style): string => {
  const width = Math.max(narrowest, Math.min(100, columns - 1));
  const { status, etaSeconds, title, trouble } = picture;
  const fraction = fractionOf(picture);
  const left = status === 'running' && etaSeconds !== null ? `${formatDuration(etaSeconds)} left` : '';
  const numbers = `${String(Math.floor(fraction * 100)).padStart(3)}%  ${describeSteps(picture)}${left && `  ${left}`}`;
  const barWidth = width - numbers.length - 1;
  const bar = barWidth < shortestBar ? '' : `${style.cyan(progressBar(fraction, barWidth))} `;
  const head = oneLine(title, Math.max(10, width - status.length - 2));
  return [
    `${style.bold(head)}${' '.repeat(Math.max(2, width - [...head].length - status.length))}${styleStatus(style, status)}`,
    bar + numbers,
    '',
    ...drawSeries('loss', picture.losses, width, style),
    ...drawSeries('validation', picture.validationLosses, width, style),
    ...drawSpeed(picture, style),
    ...(trouble === null ? [] : [style.yellow(oneLine(trouble, width))]),
    ...drawSample(picture, width, style),
  ].join('\n');
};
