import { UnfoldError, UnreachableError } from '@unfold/client';
import { CommanderError } from 'commander';
import { CommandError } from './command-error.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { styleOf } from './output/style.ts';

const hints: Record<string, string> = {
  invalid_api_key: 'Give a key with --key, or set UNFOLD_API_KEY.',
};

const exitCodeOf = (error: unknown): ExitCode => {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof UnreachableError) return exitCodes.unreachable;
  return exitCodes.failed;
};

const isExpected = (error: unknown): error is Error =>
  [CommandError, UnfoldError, UnreachableError].some((kind) => error instanceof kind) ||
  // By name, so that the environment is not read where nobody asks for it.
  (error instanceof Error && error.name === 'ConfigError');

const textOf = (error: Error): string => {
  if (!(error instanceof UnfoldError)) return error.message;
  const hint = hints[error.code];
  const trace = error.status >= 500 && error.requestId ? ` (request ${error.requestId})` : '';
  return `${error.message}${trace}${hint ? `\n${hint}` : ''}`;
};

/** The error as the API would have said it, for programs. */
const envelopeOf = (error: Error): object => {
  const { code = null, param = null, status = null } = error as Partial<UnfoldError>;
  return { error: { message: error.message, code, param, status } };
};

/**
 * Tells on stderr what stopped a command.
 * @param json whether a program reads along
 * @returns the exit code
 */
export const reportError = (error: unknown, json: boolean): ExitCode => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (!isExpected(error)) console.error(error);
  else if (json) console.error(JSON.stringify(envelopeOf(error)));
  else if (error.message !== '') console.error(`${styleOf(process.stderr).red('unfold:')} ${textOf(error)}`);
  return exitCodeOf(error);
};
