import { plot } from 'asciichart';
import { oneLine } from '../output/format.ts';
import type { Style } from '../output/style.ts';
import type { Picture } from './curve.ts';
import { describeState, describeSteps, fractionOf, progressBar, thinOut } from './draw.ts';

/** Columns that asciichart takes for its labels and its axis. */
const axisWidth = 10;
const chartHeight = 12;

const drawCurve = (losses: readonly number[], width: number, style: Style): string => {
  const values = thinOut(losses, Math.max(10, width - axisWidth));
  // asciichart divides by the range, which one point does not have.
  if (values.length < 2) return '\n'.repeat(chartHeight);
  return style.cyan(plot(values, { height: chartHeight, format: (value) => value.toFixed(2).padStart(7) }));
};

/** A run as a large curve, in at most `columns` columns: for who looks at nothing else. */
export const drawChart = (picture: Picture, columns: number, style: Style): string => {
  const width = Math.min(100, columns - 2);
  const { losses, sample, title, status } = picture;
  const steps = describeSteps(picture);
  const fraction = fractionOf(picture);
  const barWidth = Math.max(10, width - steps.length - 8);
  return [
    style.bold(oneLine(title, width)),
    style.dim(oneLine('loss in nats per character', width)),
    drawCurve(losses, width, style),
    '',
    `${progressBar(fraction, barWidth)} ${String(Math.floor(fraction * 100)).padStart(3)}%  ${steps}`,
    picture.trouble ?? (describeState(picture) || status),
    style.dim(sample === null ? '' : oneLine(`It writes: ${sample.text}`, width)),
  ].join('\n');
};
