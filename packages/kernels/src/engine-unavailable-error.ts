/** An engine that was asked for by name does not work on this machine. The message says both what is wrong and what to do. */
export class EngineUnavailableError extends Error {
  override name = 'EngineUnavailableError';
  readonly problem: string;
  /** What to do; null: nothing helps here. */
  readonly remedy: string | null;

  constructor(
    problem: string,
    { remedy = null, ...options }: ErrorOptions & { remedy?: string | null } = {},
  ) {
    super(remedy === null ? problem : `${problem} ${remedy}`, options);
    this.problem = problem;
    this.remedy = remedy;
  }
}
