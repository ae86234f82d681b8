/** What a command's exit code tells a script. */
export const exitCodes = {
  ok: 0,
  /** Something was refused or went wrong. */
  failed: 1,
  /** The command line, or a variable of the environment, cannot be meant so. */
  usage: 2,
  /** The training job failed or was cancelled. */
  jobFailed: 3,
  /** There is no service, or it does not answer. */
  unreachable: 4,
  /** Ctrl-C, as shells number it: 128 and the signal. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
