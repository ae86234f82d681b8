import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Unfold } from '@unfold/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';
import { clearLine, ctrlC, openTerminal, type Terminal, terminalsWork } from '../support/terminal.ts';

const hasZsh = spawnSync('zsh', ['--version']).status === 0;
const small = [
  '--cell',
  'gru',
  '--hidden-size',
  '16',
  '--layers',
  '1',
  '--batch-size',
  '4',
  '--sequence-length',
  '32',
];
const text = 'the cat sat on the mat, and the dog lay by the fog.\n'.repeat(400);

describe.skipIf(!terminalsWork)(
  `unfold in a terminal${terminalsWork ? '' : ' (left out: @lydell/node-pty is not built for this system)'}`,
  () => {
    let service: Service;
    let unfold: Unfold;
    let folder: string;
    const open: Terminal[] = [];

    beforeAll(async () => {
      service = await startService();
      unfold = new Unfold({ baseUrl: service.url });
      folder = await mkdtemp(join(tmpdir(), 'unfold-terminal-'));
      await writeFile(join(folder, 'cats.txt'), text);
    });
    afterEach(() => {
      for (const terminal of open.splice(0)) terminal.close();
    });
    afterAll(async () => {
      await service.stop();
      await rm(folder, { recursive: true, force: true });
    });

    const terminal = async (command: string, words: string[], env: Record<string, string> = {}) => {
      const opened = await openTerminal(command, words, {
        cwd: folder,
        env: { UNFOLD_URL: service.url, ...env },
      });
      open.push(opened);
      return opened;
    };
    const bars = (screen: string): string[] => screen.split('\n').filter((line) => /[█░]{10}/.test(line));

    it('train redraws one bar in place until the end, and leaves the curve, a sample and the model', async () => {
      const train = await terminal('unfold', [
        'train',
        'cats.txt',
        '--name',
        'cats',
        ...small,
        '--steps',
        '300',
      ]);
      const early = await train.until(
        'the bar to move',
        (screen) => /step [1-9]\d* of 300/.test(screen),
        60_000,
      );
      expect(bars(early)).toHaveLength(1);
      expect(await train.ended).toBe(0);
      const screen = (await train.screen()).join('\n');
      expect(bars(screen)).toEqual([expect.stringMatching(/^█+ 100% {2}step 300 of 300/)]);
      expect(screen).toMatch(/^cats · job-\w+ +succeeded$/m);
      expect(screen).toMatch(/^loss +\d\.\d{3} +[▁▂▃▄▅▆▇█]{10}/m);
      expect(screen).toContain('It writes, at step');
      const last = (await train.screen()).at(-1);
      expect(last).toBe((await unfold.models.get('cats')).id);
    });

    it('Ctrl-C detaches from a run, says how to come back, and ends with 130; the run goes on', async () => {
      const more = ['--name', 'long', '--steps', '1000000', '--epochs', '100000'];
      const train = await terminal('unfold', ['train', 'cats.txt', ...small, ...more]);
      await train.until('the bar to move', (screen) => /step [1-9]\d* of 1,000,000/.test(screen), 60_000);
      train.type(ctrlC);
      expect(await train.ended).toBe(130);
      const screen = (await train.screen()).join('\n');
      expect(screen).toContain('detached; long goes on.');
      expect(screen).toContain('unfold watch long');
      const [job] = (await unfold.jobs.list({ limit: 1 })).data;
      expect(job).toMatchObject({ name: 'long', status: 'running', requested: null });
    });

    it('watch shows all jobs as a table that lives, and one of them with its curve', async () => {
      const all = await terminal('unfold', ['watch']);
      const cell = (screen: string): string | undefined => /long +running .* (\S+) left/.exec(screen)?.[1];
      const before = cell(await all.until('the table', (screen) => cell(screen) !== undefined));
      await all.until('the table to move', (screen) => cell(screen) !== before);
      expect((await all.screen())[0]).toMatch(/^JOB +NAME +STATUS +DONE +TIME/);
      all.type(ctrlC);
      expect(await all.ended).toBe(130);
      const one = await terminal('unfold', ['watch', 'long'], { NO_COLOR: '1' });
      await one.until('the curve', (screen) => /^loss +\d\.\d{3}/m.test(screen));
      await unfold.jobs.cancel((await unfold.jobs.list({ limit: 1 })).data[0]!.id);
      expect(await one.ended).toBe(3);
      expect((await one.screen()).join('\n')).toContain('long was cancelled');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
      expect(one.raw()).not.toMatch(/\u001b\[[\d;]*m/);
    });

    it('bash completes commands, options, their choices, and names from the service', async () => {
      const shell = await terminal('bash', ['--noprofile', '--norc', '-i'], { PS1: '> ' });
      shell.type('eval "$(unfold completion bash)"; echo ready\n');
      await shell.until('the shell', (screen) => /^ready$/m.test(screen));
      const completed = async (typed: string, expected: string): Promise<void> => {
        shell.type(typed);
        await shell.until(expected, (screen) => screen.split('\n').at(-1)?.startsWith(expected) ?? false);
        shell.type(clearLine);
        await shell.until('an empty line', (screen) => screen.split('\n').at(-1)?.trimEnd() === '>');
      };
      await completed('unfold wat\t', '> unfold watch');
      await completed('unfold train --hid\t', '> unfold train --hidden-size');
      await completed('unfold train --cell ls\t', '> unfold train --cell lstm');
      await completed('unfold cancel lo\t', '> unfold cancel long');
      await completed('unfold generate ca\t', '> unfold generate cats');
      const cats = (await unfold.jobs.list()).data.find(({ name }) => name === 'cats')!;
      const [checkpoint] = (await unfold.jobs.checkpoints(cats.id)).data;
      await completed(
        `unfold generate ${checkpoint!.id.slice(0, -1)}\t`,
        `> unfold generate ${checkpoint!.id}`,
      );
      await completed('unfold train ca\t', '> unfold train cats.txt');
    });

    it.skipIf(!hasZsh)(`zsh does so, too${hasZsh ? '' : ' (left out: it is not installed)'}`, async () => {
      const shell = await terminal('zsh', ['-f', '-i'], { PS1: '> ' });
      shell.type('autoload -U compinit && compinit -u; eval "$(unfold completion zsh)"; echo ready\n');
      await shell.until('the shell', (screen) => /^ready$/m.test(screen));
      shell.type('unfold wat\t');
      await shell.until('the command', (screen) => screen.includes('unfold watch'));
      shell.type('lo\t');
      await shell.until('the name', (screen) => screen.includes('unfold watch long'));
    });
  },
);
