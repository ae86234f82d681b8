import { formatDuration, formatNumber } from '../output/format.ts';
import type { Picture } from './curve.ts';

const fullBlock = '█';
const partialBlocks = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;
const heights = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

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

/** A bar of one character. @param share from 0 to 1; what is beyond is cut */
export const heightOf = (share: number): string =>
  heights[Math.round(Math.min(1, Math.max(0, share)) * (heights.length - 1))]!;

/** A curve in one line, from its lowest to its highest value. */
export const sparkline = (values: readonly number[], width: number): string => {
  const thin = thinOut(values, width);
  const lowest = Math.min(...thin);
  const range = Math.max(...thin) - lowest;
  return thin.map((value) => heightOf(range === 0 ? 0 : (value - lowest) / range)).join('');
};

/** A bar in eighths of a character. */
export const progressBar = (fraction: number, width: number): string => {
  const eighths = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8);
  const bar = fullBlock.repeat(Math.floor(eighths / 8)) + partialBlocks[eighths % 8];
  return bar.padEnd(width, '░');
};

/** How much of a run is done, from 0 to 1: a run of so many seconds is often over before its steps are. */
export const fractionOf = ({
  step,
  totalSteps,
  share,
}: Pick<Picture, 'step' | 'totalSteps' | 'share'>): number =>
  Math.min(1, Math.max(totalSteps === null || totalSteps === 0 ? 0 : step / totalSteps, share ?? 0));

/** `step 1,240 of 2,000` */
export const describeSteps = ({ step, totalSteps }: Pick<Picture, 'step' | 'totalSteps'>): string =>
  totalSteps === null
    ? `step ${formatNumber(step)}`
    : `step ${formatNumber(step)} of ${formatNumber(totalSteps)}`;

/** `loss 1.93 · validation 2.01 · 5,120 tokens/s · 0:41 left`, with what is known so far. */
export const describeState = (picture: Picture): string => {
  const { losses, validationLosses, tokensPerSecond, etaSeconds } = picture;
  const [loss, validationLoss] = [losses.at(-1), validationLosses.at(-1)];
  return [
    loss === undefined ? null : `loss ${loss.toFixed(3)}`,
    validationLoss === undefined ? null : `validation ${validationLoss.toFixed(3)}`,
    tokensPerSecond === null ? null : `${formatNumber(tokensPerSecond)} tokens/s`,
    etaSeconds === null ? null : `${formatDuration(etaSeconds)} left`,
  ]
    .filter((part) => part !== null)
    .join(' · ');
};
