import type { Frame } from '@unfold/contracts';
import { createLogUpdate } from 'log-update';
import { type Style, styleOf } from '../output/style.ts';
import type { Picture } from './curve.ts';
import { describeState, describeSteps, fractionOf } from './draw.ts';

/** How a run is shown: redrawn in place on a terminal, line by line elsewhere, or frame by frame for programs. */
export interface View {
  frame(frame: Frame): void;
  show(picture: Picture): void;
  /** Leaves the last picture standing. */
  end(picture: Picture): void;
}

export type Draw = (picture: Picture, columns: number, style: Style) => string;

/** Lines that a run prints where there is no terminal: enough to see that it goes on, few enough to read. */
const plainLines = 20;

const terminalView = (stream: NodeJS.WriteStream, drawPicture: Draw): View => {
  const update = createLogUpdate(stream);
  const style = styleOf(stream);
  const draw = (picture: Picture): void => update(drawPicture(picture, stream.columns ?? 80, style));
  return {
    frame: () => {},
    show: draw,
    end: (picture) => {
      draw(picture);
      update.done();
    },
  };
};

const plainView = (stream: NodeJS.WriteStream): View => {
  let shown = -1;
  let printed = -1;
  const print = (picture: Picture): void => {
    if (picture.step === printed || picture.losses.length === 0) return;
    printed = picture.step;
    stream.write(`${describeSteps(picture)} · ${describeState(picture)}\n`);
  };
  return {
    frame: (frame) => {
      if (frame.type === 'status') stream.write(`${frame.status}\n`);
      if (frame.type === 'log' && frame.level !== 'info') stream.write(`${frame.level}: ${frame.message}\n`);
    },
    show: (picture) => {
      const part = Math.floor(fractionOf(picture) * plainLines);
      if (picture.losses.length === 0 || part <= shown) return;
      shown = part;
      print(picture);
    },
    end: print,
  };
};

/** A run on a stream, drawn by `draw` where that is a terminal. */
export const createView = (stream: NodeJS.WriteStream, draw: Draw): View =>
  stream.isTTY ? terminalView(stream, draw) : plainView(stream);

/** A run for programs: each frame a line of JSON on stdout. */
export const jsonView = (): View => ({
  frame: (frame) => void process.stdout.write(`${JSON.stringify(frame)}\n`),
  show: () => {},
  end: () => {},
});
