/** What stops a command, in words for the person who typed it. The command ends with exit code 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
