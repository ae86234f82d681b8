import { colorsOf } from '../theme.ts';
import type { Curve } from './curve.ts';

/** Gives the reader a file. */
export const download = (content: Blob, filename: string): void => {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
};

export const fileNameOf = (title: string, ending: string): string =>
  `${title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.${ending}`;

/** The chart as it is on the screen, with its title and its legend, on the page's ground. */
export const downloadPng = (canvas: HTMLCanvasElement, title: string, curves: readonly Curve[]): void => {
  const scale = devicePixelRatio;
  const head = 40 * scale;
  const foot = 28 * scale;
  const picture = document.createElement('canvas');
  picture.width = canvas.width;
  picture.height = canvas.height + head + foot;
  const context = picture.getContext('2d')!;
  const ink = colorsOf(['surface', 'text', ...curves.map(({ color }) => color)]);
  context.fillStyle = ink.surface!;
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(canvas, 0, head);
  context.fillStyle = ink.text!;
  context.font = `600 ${15 * scale}px system-ui, sans-serif`;
  context.fillText(title, 16 * scale, 26 * scale);
  context.font = `${12 * scale}px system-ui, sans-serif`;
  let left = 16 * scale;
  for (const { label, color, measures } of curves) {
    if (measures !== undefined) continue;
    const line = canvas.height + head + foot / 2;
    context.fillStyle = ink[color]!;
    context.fillRect(left, line - 2 * scale, 14 * scale, 3 * scale);
    context.fillStyle = ink.text!;
    context.fillText(label, left + 20 * scale, line + 4 * scale);
    left += 40 * scale + context.measureText(label).width;
  }
  picture.toBlob((blob) => blob && download(blob, fileNameOf(title, 'png')));
};
