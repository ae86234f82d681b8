import { createLogUpdate } from 'log-update';
import type { Picture } from './curve.ts';
import { describeState, drawPicture } from './draw.ts';

/** How a run is shown: redrawn in place on a terminal, line by line elsewhere. */
export interface View {
  show(picture: Picture): void;
  /** Leaves the last picture standing. */
  end(picture: Picture): void;
}

/** Lines that a run prints where there is no terminal: enough to see that it goes on, few enough to read. */
const plainLines = 20;

const terminalView = (stream: NodeJS.WriteStream): View => {
  const update = createLogUpdate(stream);
  const draw = (picture: Picture): void => update(drawPicture(picture, stream.columns ?? 80));
  return {
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
    if (picture.step === printed) return;
    printed = picture.step;
    const of = picture.totalSteps === null ? '' : ` of ${picture.totalSteps}`;
    stream.write(`step ${picture.step}${of} · ${describeState(picture)}\n`);
  };
  return {
    show: (picture) => {
      const { step, totalSteps, losses } = picture;
      const part = Math.floor((step / (totalSteps ?? Number.POSITIVE_INFINITY)) * plainLines);
      if (losses.length === 0 || part <= shown) return;
      shown = part;
      print(picture);
    },
    end: print,
  };
};

export const createView = (stream: NodeJS.WriteStream): View =>
  stream.isTTY ? terminalView(stream) : plainView(stream);
