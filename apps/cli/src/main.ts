#!/usr/bin/env node
import { exitCodes } from './exit-codes.ts';
import { createProgram } from './program.ts';
import { reportError } from './report-error.ts';

// Who reads only the beginning (`unfold jobs | head -1`) has what was wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCodes.ok);
});

try {
  await (await createProgram(process.argv.slice(2))).parseAsync();
} catch (error) {
  process.exit(reportError(error, process.argv.includes('--json')));
}
