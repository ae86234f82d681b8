import type { Frame } from '@unfold/contracts';
import { tell } from '../output/print.ts';
import { type Style, styleOf } from '../output/style.ts';
import type { Picture } from './curve.ts';
import { describeState, describeSteps, fractionOf } from './draw.ts';
import { createPictureInPlace } from './picture-in-place.ts';

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
/** A longer run prints a line about so often. */
const mostSilenceMs = 60_000;

/** Says once what is wrong, when it begins. */
const createTroubleTeller = (say: (trouble: string) => void) => {
  let told: string | null = null;
  return ({ trouble }: Picture): void => {
    if (trouble !== told && trouble !== null) say(trouble);
    told = trouble;
  };
};

const terminalView = (stream: NodeJS.WriteStream, drawPicture: Draw): View => {
  const place = createPictureInPlace(stream);
  const style = styleOf(stream);
  const draw = (picture: Picture): void => place.draw(drawPicture(picture, stream.columns ?? 80, style));
  return {
    frame: () => {},
    show: draw,
    end: (picture) => {
      draw(picture);
      place.done();
    },
  };
};

const plainView = (stream: NodeJS.WriteStream, now: () => number): View => {
  const tellTrouble = createTroubleTeller((trouble) => stream.write(`${trouble}\n`));
  let shown = -1;
  let printed = -1;
  let printedAt = now();
  const print = (picture: Picture): void => {
    if (picture.step === printed || picture.losses.length === 0) return;
    printed = picture.step;
    printedAt = now();
    stream.write(`${describeSteps(picture)} · ${describeState(picture)}\n`);
  };
  return {
    frame: (frame) => {
      if (frame.type === 'status') stream.write(`${frame.status}\n`);
      if (frame.type === 'log' && frame.level !== 'info') stream.write(`${frame.level}: ${frame.message}\n`);
    },
    show: (picture) => {
      tellTrouble(picture);
      const part = Math.floor(fractionOf(picture) * plainLines);
      if (picture.losses.length === 0) return;
      if (part <= shown && now() - printedAt < mostSilenceMs) return;
      shown = part;
      print(picture);
    },
    end: print,
  };
};

/** A run on a stream, drawn by `draw` where that is a terminal. @param now in milliseconds */
export const createView = (stream: NodeJS.WriteStream, draw: Draw, now = () => performance.now()): View =>
  stream.isTTY ? terminalView(stream, draw) : plainView(stream, now);

/** A run for programs: each frame a line of JSON on stdout; what is wrong, in words on stderr. */
export const jsonView = (): View => ({
  frame: (frame) => void process.stdout.write(`${JSON.stringify(frame)}\n`),
  show: createTroubleTeller(tell),
  end: () => {},
});
