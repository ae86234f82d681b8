import { Argument, type Command } from 'commander';
import { withExamples } from '../options/shared.ts';
import { oneLine } from '../output/format.ts';
import { print, printJson } from '../output/print.ts';
import { complete } from './complete.ts';
import { scripts } from './scripts.ts';

/** `unfold completion`, and what its scripts ask at each Tab. */
export const addCompletionCommands = (program: Command): void => {
  withExamples(
    program
      .command('completion')
      .addArgument(new Argument('<shell>', 'yours').choices(Object.keys(scripts)))
      .description('Prints the completion for a shell.')
      .option('--json', 'print JSON for programs')
      .action((shell: keyof typeof scripts, { json }: { json?: boolean }) =>
        json ? printJson({ shell, script: scripts[shell] }) : print(scripts[shell]),
      ),
    'eval "$(unfold completion bash)"                  # now',
    `echo 'eval "$(unfold completion bash)"' >> ~/.bashrc   # in every shell`,
    'eval "$(unfold completion zsh)"',
  );
  program
    .command('__complete', { hidden: true })
    .argument('[word...]')
    .allowUnknownOption()
    .action(async (words: string[]) => {
      for (const { value, description } of await complete(program, words))
        print(`${value}\t${oneLine(description, 80)}`);
    });
};
