import { stripVTControlCharacters } from 'node:util';
import { createLogUpdate } from 'log-update';
import { cut } from '../output/cut.ts';

/** A picture that is drawn over the one before, never larger than the terminal: what has scrolled away cannot be drawn over. */
export interface PictureInPlace {
  draw(text: string): void;
  /** Takes the picture away. */
  clear(): void;
  /** Leaves it standing. */
  done(): void;
}

const eraseLineAndGoUp = '\u001b[2K\u001b[1A';

/** Lines that a terminal has made more of a text, since it became so narrow. */
const linesFolded = (text: string, columns: number): number =>
  text
    .split('\n')
    .map((line) => [...stripVTControlCharacters(line)].length)
    .reduce((sum, width) => sum + Math.max(0, Math.ceil(width / columns) - 1), 0);

export const createPictureInPlace = (stream: NodeJS.WriteStream): PictureInPlace => {
  const update = createLogUpdate(stream);
  let drawn = '';
  let width = Number.POSITIVE_INFINITY;
  const forget = (): void => {
    drawn = '';
  };
  return {
    draw: (text) => {
      const { columns = 80, rows = 24 } = stream;
      // log-update knows only how many lines it wrote.
      if (columns < width) stream.write(eraseLineAndGoUp.repeat(linesFolded(drawn, columns)));
      width = columns;
      drawn = cut(text, columns, rows - 1);
      update(drawn);
    },
    clear: () => {
      update.clear();
      forget();
    },
    done: () => {
      update.done();
      forget();
    },
  };
};
