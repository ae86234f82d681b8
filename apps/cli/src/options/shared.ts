import type { Command } from 'commander';
import { integer } from './parsers.ts';

const dataDir = ['--data-dir <folder>', 'where everything is kept (UNFOLD_DATA_DIR, .unfold)'] as const;

/** Where a service of our own listens and keeps everything. */
export const withPlace = (command: Command): Command =>
  command
    .option('--port <number>', 'port of the API; 0 takes any free one (PORT, 8080)', integer(0, 65_535))
    .option('--host <address>', 'address to listen on; others than loopback need API keys (HOST, 127.0.0.1)')
    .option(...dataDir);

/** What is asked, and how the answer is to be printed. */
export const withService = (command: Command): Command =>
  command
    .option(
      '--url <address>',
      'the service to ask (UNFOLD_URL); default: the one that runs in the data folder',
    )
    .option('--key <key>', 'the API key to show (UNFOLD_API_KEY, UNFOLD_ADMIN_KEY)')
    .option(...dataDir)
    .option('--json', 'print JSON for programs');

/** Examples below the help of a command. */
export const withExamples = (command: Command, ...examples: string[]): Command =>
  command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}\n`);
