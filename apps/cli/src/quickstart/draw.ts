import { styleText } from 'node:util';
import { plot } from 'asciichart';
import type { Picture } from './curve.ts';

/** Columns that asciichart takes for its labels and its axis. */
const axisWidth = 10;
const chartHeight = 12;
const fullBlock = '█';
const partialBlocks = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/** At most `width` values, each the mean of its share of the curve, so that no spike is drawn as a trend. */
export const thinOut = (values: readonly number[], width: number): number[] => {
  if (values.length <= width) return [...values];
  return Array.from({ length: width }, (_, column) => {
    const from = Math.floor((column * values.length) / width);
    const to = Math.max(from + 1, Math.floor(((column + 1) * values.length) / width));
    const share = values.slice(from, to);
    return share.reduce((sum, value) => sum + value, 0) / share.length;
  });
};

export const formatDuration = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
};

/** A bar in eighths of a character. */
export const progressBar = (fraction: number, width: number): string => {
  const eighths = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8);
  const bar = fullBlock.repeat(Math.floor(eighths / 8)) + partialBlocks[eighths % 8];
  return bar.padEnd(width, '░');
};

const number = (value: number): string => Math.round(value).toLocaleString('en-US');

/** `loss 1.93 · validation 2.01 · 5,120 tokens/s · 0:41 left`, with what is known so far. */
export const describeState = ({ losses, validationLoss, tokensPerSecond, etaSeconds }: Picture): string => {
  const loss = losses.at(-1);
  return [
    loss === undefined ? null : `loss ${loss.toFixed(3)}`,
    validationLoss === null ? null : `validation ${validationLoss.toFixed(3)}`,
    tokensPerSecond === null ? null : `${number(tokensPerSecond)} tokens/s`,
    etaSeconds === null ? null : `${formatDuration(etaSeconds)} left`,
  ]
    .filter((part) => part !== null)
    .join(' · ');
};

const drawChart = (losses: readonly number[], width: number): string => {
  const values = thinOut(losses, Math.max(10, width - axisWidth));
  // asciichart divides by the range, which one point does not have.
  if (values.length < 2) return '\n'.repeat(chartHeight);
  const chart = plot(values, { height: chartHeight, format: (value) => value.toFixed(2).padStart(7) });
  return styleText('cyan', chart);
};

const firstLine = (text: string, width: number): string => {
  const line = [...text.replaceAll(/\s+/g, ' ').trim()];
  return line.length > width ? `${line.slice(0, width - 1).join('')}…` : line.join('');
};

/** The whole live view as text of at most `columns` columns. */
export const drawPicture = (picture: Picture, columns: number): string => {
  const width = Math.min(100, columns - 2);
  const { step, totalSteps, losses, sample, title, status } = picture;
  const fraction = totalSteps === null ? 0 : step / totalSteps;
  const steps = totalSteps === null ? `step ${step}` : `step ${number(step)} of ${number(totalSteps)}`;
  const barWidth = Math.max(10, width - steps.length - 8);
  return [
    styleText('bold', firstLine(title, width)),
    styleText('dim', firstLine('loss in nats per character', width)),
    drawChart(losses, width),
    '',
    `${progressBar(fraction, barWidth)} ${String(Math.floor(fraction * 100)).padStart(3)}%  ${steps}`,
    describeState(picture) || status,
    styleText('dim', sample === null ? '' : firstLine(`It writes: ${sample}`, width)),
  ].join('\n');
};
