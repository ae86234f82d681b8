import { UnfoldError, UnreachableError } from '@unfold/client';
import { CommanderError } from 'commander';
import { CommandError } from './command-error.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { styleOf } from './output/style.ts';

const hints: Record<string, string> = {
  invalid_api_key: 'Give a key with --key, or set UNFOLD_API_KEY.',
};

/** Routes that the API advises, as one asks them here. */
const commands: [route: string, command: string][] = [
  ['ask POST /v1/completions.', 'use `unfold generate`.'],
  ['ask POST /v1/models/:id/predict.', 'use `unfold predict`.'],
];

/** By name, so that the environment is not read where nobody asks for it. */
const isConfigError = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'ConfigError';

const exitCodeOf = (error: unknown): ExitCode => {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof UnreachableError) return exitCodes.unreachable;
  if (isConfigError(error)) return exitCodes.usage;
  return exitCodes.failed;
};

const isExpected = (error: unknown): error is Error =>
  [CommandError, UnfoldError, UnreachableError].some((kind) => error instanceof kind) || isConfigError(error);

const textOf = (error: Error): string => {
  if (!(error instanceof UnfoldError)) return error.message;
  const hint = hints[error.code];
  const trace = error.status >= 500 && error.requestId ? ` (request ${error.requestId})` : '';
  const message = commands.reduce((text, [route, command]) => text.replace(route, command), error.message);
  return `${message}${trace}${hint ? `\n${hint}` : ''}`;
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
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exitCodes.ok;
    // To a person commander has said it already.
    const message = error.message.replace(/^error: /, '');
    if (json) console.error(JSON.stringify(envelopeOf(new CommandError(message, exitCodes.usage))));
    return exitCodes.usage;
  }
  if (!isExpected(error)) console.error(error);
  else if (json) console.error(JSON.stringify(envelopeOf(error)));
  else if (error.message !== '') console.error(`${styleOf(process.stderr).red('unfold:')} ${textOf(error)}`);
  return exitCodeOf(error);
};
