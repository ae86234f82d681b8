import { join } from 'node:path';
import { root, waitFor } from './process.ts';

const library = await import('@lydell/node-pty').catch(() => null);

/** Whether programs can be run in a terminal here: the library is built for common systems only. */
export const terminalsWork = library !== null;

/** A program in a terminal of its own, and what a person sees of it. */
export interface Terminal {
  /** The lines that were written so far, as the terminal shows them, without empty ones at the end. */
  screen(): Promise<string[]>;
  /** Everything that came, with the codes that a terminal obeys. */
  raw(): string;
  type(text: string): void;
  /** Waits until the screen, as one text, is as wanted; answers it. */
  until(what: string, isThere: (screen: string) => boolean, timeoutMs?: number): Promise<string>;
  readonly ended: Promise<number>;
  close(): void;
}

export const ctrlC = '\u0003';
/** Ctrl-U: what was typed is taken back. */
export const clearLine = '\u0015';
/** The folder in which `unfold` is found, as after an installation. */
export const commandFolder = join(root, 'node_modules', '.bin');

export const openTerminal = async (
  command: string,
  words: readonly string[],
  options: { cwd: string; env?: Record<string, string>; columns?: number; rows?: number },
): Promise<Terminal> => {
  if (library === null) throw new Error('There are no terminals here.');
  const { Terminal: Emulator } = (await import('@xterm/headless')).default;
  const { columns: cols = 100, rows = 30, cwd, env = {} } = options;
  const emulator = new Emulator({ cols, rows, allowProposedApi: true });
  const { HOME = '/', PATH = '' } = process.env;
  const child = library.spawn(command, [...words], {
    cols,
    rows,
    cwd,
    name: 'xterm-256color',
    env: { HOME, PATH: `${commandFolder}:${PATH}`, ...env },
  });
  let raw = '';
  let running = true;
  child.onData((data) => {
    raw += data;
    emulator.write(data);
  });
  const ended = new Promise<number>((resolve) =>
    child.onExit(({ exitCode }) => {
      running = false;
      resolve(exitCode);
    }),
  );
  const screen = async (): Promise<string[]> => {
    // What was written before is parsed when this is.
    await new Promise<void>((resolve) => emulator.write('', resolve));
    const { active } = emulator.buffer;
    const lines = Array.from(
      { length: active.length },
      (_, line) => active.getLine(line)?.translateToString(true) ?? '',
    );
    return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
  };
  return {
    screen,
    raw: () => raw,
    type: (text) => child.write(text),
    until: async (what, isThere, timeoutMs) => {
      let seen = '';
      await waitFor(
        `${what}`,
        async () => {
          seen = (await screen()).join('\n');
          return isThere(seen);
        },
        timeoutMs,
      ).catch((error: Error) => {
        throw new Error(`${error.message} The screen shows:\n${seen}`);
      });
      return seen;
    },
    ended,
    close: () => {
      if (running) child.kill('SIGKILL');
      emulator.dispose();
    },
  };
};
