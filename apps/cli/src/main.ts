#!/usr/bin/env node
import { ConfigError } from '@unfold/config';
import { UnfoldError } from '@unfold/contracts';
import { CommandError } from './command-error.ts';
import { createProgram } from './program.ts';

try {
  await createProgram().parseAsync();
} catch (error) {
  const expected = [CommandError, ConfigError, UnfoldError].some((kind) => error instanceof kind);
  console.error(expected ? `unfold: ${(error as Error).message}` : error);
  process.exit(1);
}
