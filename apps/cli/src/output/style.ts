import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

/** Colours and weights, where a stream shows them: not in files and pipes, and not with NO_COLOR. */
export const styleOf = (stream: NodeJS.WriteStream) => {
  const as =
    (format: Format) =>
    (text: string): string =>
      styleText(format, text, { stream });
  return {
    bold: as('bold'),
    dim: as('dim'),
    red: as('red'),
    green: as('green'),
    yellow: as('yellow'),
    cyan: as('cyan'),
  };
};
export type Style = ReturnType<typeof styleOf>;

/** What a status means, in a colour: going on, done, to be looked at. */
export const styleStatus = (style: Style, status: string): string => {
  if (status === 'running') return style.cyan(status);
  if (status === 'succeeded') return style.green(status);
  if (status === 'failed') return style.red(status);
  if (status === 'paused' || status === 'cancelled') return style.yellow(status);
  return status;
};
